#!/usr/bin/env python3
"""Shows that the simulation's checks notice: makes each mistake of common/base/break.h in turn and wants it caught.

    tests/sim/broken.py [--bin .build/broken] [--seeds 1000] [--jobs N] [--only NAME]... [--list]

Runs `lastmile-sim --break NAME` of the preset "broken" until the first seed that fails. A mistake that survives all
seeds is a failure of this test. Only the mistakes in NOTICED are wanted so far; the others were not noticed in the few
seeds that were tried, or need a part of the simulation that is not there yet. They are named, and --all (or --only)
runs them too: one that is noticed moves into NOTICED. One line a mistake: promise, seed, and what caught it. The last
line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time

# Each with the seed from which it is looked for (those before it do not notice: it saves time, and a simulation that changes goes on
# to others), the faults beside the usual ones that a seed may draw, those that every seed gets, and how many
# stations (0: as the seed says).
NOTICED = {
    'ack-before-commit': (9, 'loss'),
    'acked-without-hash': (30, '', 'clone,loss,tear', 1),
    'blind-echo': (1, 'loss'),
    'coverage-by-node': (1, 'loss'),
    'coverage-unacked': (8, '', 'burst,delay', 1),
    'cursor-before-page': (119, 'loss'),
    'cursor-kept': (1, 'loss'),
    'dedupe-by-seq': (1, '', 'node-back,node-crash', 2),
    'doubles-counted': (2, '', 'doubles,staff', 2),
    'edit-revives': (23, '', 'two-pcs,partition', 1),
    'equal-conflicts': (55, 'loss'),
    'feed-only-applied': (1, 'loss'),
    'fork-drops-unsent': (1, 'node-back'),
    'gap-accepted': (1, 'loss'),
    'gone-forgotten': (8, '', 'moves,hub-restore', 2),
    'held-refused': (45, ''),
    'hlc-below-base': (9, 'loss'),
    'hlc-from-clock': (1, '', 'clock'),
    'hub-sync-normal': (1, 'loss'),
    'last-writer-wins': (1, 'loss'),
    'mark-before-commit': (2, '', 'hub-crash,disk-full'),
    'newest-acked': (102, 'loss'),
    'no-redrive': (45, ''),
    'node-sync-normal': (1, 'loss'),
    'nothing-offered': (1, 'loss'),
    'page-unbounded': (1, '', 'burst,two-pcs,revoke', 1),
    'poison-dropped': (1, '', 'poison'),
    'rank-without-base': (15, ''),
    'return-stays': (68, '', 'staff,two-pcs', 1),
    'revoked-readmitted': (145, '', 'revoke,hub-restore', 2),
    'save-before-commit': (1, ''),
    'seen-uncompared': (60, 'loss'),
    'stranger-writes': (1, '', 'stranger', 2),
    'type-dropped': (4, '', 'upgrade', 2),
    'unknown-dropped': (1, '', 'newer', 2),
    'verdict-only-in-ack': (33, '', 'stranger,tear,node-crash', 2),
    'want-dropped-early': (88, 'loss'),
    'want-not-stored': (1, 'loss'),
}

# A mistake's runs have those of these faults only that it names, so that seeds stay what they are.
OWN = ['doubles', 'burst', 'stranger', 'poison', 'newer', 'moves', 'usb', 'node-back', 'loss', 'clone', 'upgrade']


def simulate(options, name, first, seeds, more, force='', stations=0):
    without = ','.join(fault for fault in OWN if fault not in force.split(',') + more.split(','))
    command = [os.path.join(options.bin, 'tests/lastmile-sim'), '--break', name, '--without', without, '--first', str(first), '--seeds', str(seeds), '--jobs', '1',
               '--stop', *(['--with', more] if more else []), *(['--force', force] if force else []),
               *(['--stations', str(stations)] if stations else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r'^FAIL .*seed=(\d+).*$', done.stdout, re.M)
    return done, found


def run(options, name, seeds=None):
    """The first seed that fails with the mistake, and does not without it: else a catch would say nothing."""
    start = time.time()
    first, *more = NOTICED.get(name, (1, 'loss'))
    last = first + (seeds or options.seeds)
    while first < last:
        done, found = simulate(options, name, first, last - first, *more)
        if not found:
            return done.returncode, done.stdout.strip()[-300:], time.time() - start
        seed = int(found.group(1))
        if simulate(options, 'none', seed, 1, *more)[0].returncode == 0:
            return done.returncode, found.group(0), time.time() - start
        first = seed + 1
    return 0, 'only by seeds that fail without the mistake too', time.time() - start


def breaks(options):
    command = [os.path.join(options.bin, 'tests/lastmile-sim'), '--breaks']
    rows = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return [row.split('\t') for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bin', default='.build/broken')
    parser.add_argument('--seeds', type=int, default=1000)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--only', action='append', default=[])
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--list', action='store_true')
    options = parser.parse_args()

    rows = [row for row in breaks(options) if not options.only or row[0] in options.only]
    if options.list:
        for name, promise, what in rows:
            print(f'{promise:4} {name:22} {what}')
        return 0
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        wanted = [row for row in rows if row[0] in NOTICED or options.all or options.only]
        results = pool.map(lambda row: (row, run(options, row[0])), wanted)
        for (name, promise, what), (code, text, took) in results:
            caught = code == 1 and text.startswith('FAIL ')
            passed, failed = passed + caught, failed + (not caught)
            print(f'{"ok  " if caught else "FAIL"} {promise:4} {name:22} {took:5.1f} s  '
                  f'{text if caught else f"not noticed in {options.seeds} seeds: {what} (exit {code}) {text}"}', flush=True)
    for name, promise, what in rows:
        if [name, promise, what] not in wanted:
            print(f'-    {promise:4} {name:22} not run: {what}')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
