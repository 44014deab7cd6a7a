/* lastmile-sim: runs seeds, on several processes, and shortens what fails.
 *
 *   --seeds N (1000)  --first K (1)  --seed K (that one alone)  --jobs J (2)  --minutes M (no
 * limit)
 *   --trace           prints what happens (with --seed)
 *   --shrink          looks for a shorter plan that fails the same way (with --seed; on by itself
 *                     when one of many fails)
 *   --stations N, --actions N, --without FAULT[,FAULT…]  change a seed's plan by hand
 *   --with FAULT[,FAULT…]  also faults that the programs do not heal yet (SIM_FAULTS_LATER)
 *   --force FAULT[,FAULT…]  these faults whatever the seed draws
 *   --twice           runs each seed twice: the traces must be the same
 *   --stop            ends at the first seed that fails
 *   --break NAME, --breaks  in the build "broken": makes that mistake; lists the mistakes
 *   --file F          runs the seeds named in F first, one a line, # begins a remark
 *
 * Exit 0: all hold. 1: one line `FAIL seed=… invariant=…` a failing seed, and how to see it. */
#include "tests/sim/sim.h"

#include "common/base/break.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct options {
    uint64_t first, n;
    int jobs, minutes, stations, actions;
    uint32_t without, with, force;
    bool trace, one, shrink, twice, stop;
    const char *file;
};

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void apply(const struct options *o, struct sim_plan *plan)
{
    plan->stations = o->stations ? o->stations : plan->stations;
    plan->actions = o->actions ? o->actions : plan->actions;
    plan->faults |= plan->later & o->with;
    plan->faults |= o->force;
    plan->faults &= ~o->without;
}

static void print_plan(const struct sim_plan *plan)
{
    (void)printf("  plan: %d stations, %d actions in %lld s, faults:", plan->stations,
                 plan->actions, (long long)plan->span_ms / 1000);
    for (int f = 0; f < F_COUNT; f++) {
        if (plan->faults & 1u << f) {
            (void)printf(" %s", sim_fault_names[f]);
        }
    }
    (void)printf("\n");
}

/* The name of a promise: what stands before the colon. */
static bool same_invariant(const char *a, const char *b)
{
    size_t n = strcspn(a, ":");

    return n == strcspn(b, ":") && strncmp(a, b, n) == 0;
}

static bool still_fails(const struct sim_plan *plan, const char *wanted)
{
    char failure[1000];
    uint64_t digest, steps;

    return !sim_run(plan, false, &digest, failure, &steps) && same_invariant(failure, wanted);
}

/* Fewer faults, fewer stations, fewer actions, as long as the same promise breaks. */
static void shrink(struct sim_plan *plan, const char *wanted)
{
    struct sim_plan tried;

    for (int f = 0; f < F_COUNT; f++) {
        tried = *plan;
        tried.faults &= ~(1u << f);
        if (tried.faults != plan->faults && still_fails(&tried, wanted)) {
            *plan = tried;
        }
    }
    for (int n = 1; n < plan->stations; n++) {
        tried = *plan;
        tried.stations = n;
        if (still_fails(&tried, wanted)) {
            *plan = tried;
            break;
        }
    }
    for (int step = plan->actions / 2; step > 0; step /= 2) {
        tried = *plan;
        tried.actions -= step;
        if (tried.actions > 0 && still_fails(&tried, wanted)) {
            *plan = tried;
        }
    }
}

static void show_command(const struct sim_plan *plan)
{
    struct sim_plan own;
    bool any = false;

    sim_plan_of(plan->seed, &own);
    (void)printf("  lastmile-sim --trace --seed %llu --stations %d --actions %d",
                 (unsigned long long)plan->seed, plan->stations, plan->actions);
    for (int f = 0; f < F_COUNT; f++) {
        if (own.faults & ~plan->faults & 1u << f) {
            (void)printf("%s%s", any ? "," : " --without ", sim_fault_names[f]);
            any = true;
        }
    }
    for (int f = 0; f < F_COUNT; f++) {
        if (plan->faults & ~own.faults & 1u << f) {
            (void)printf(" --force %s", sim_fault_names[f]);
        }
    }
    (void)printf("\n");
}

static bool run_one(const struct options *o, uint64_t seed)
{
    struct sim_plan plan;
    char failure[1000], again[1000];
    uint64_t digest = 0, steps = 0, digest2 = 0, steps2 = 0;
    bool good;

    sim_plan_of(seed, &plan);
    apply(o, &plan);
    good = sim_run(&plan, o->trace, &digest, failure, &steps);
    if (o->one) {
        (void)printf("seed %llu: %llu steps, digest %016llx\n", (unsigned long long)seed,
                     (unsigned long long)steps, (unsigned long long)digest);
        print_plan(&plan);
    }
    if (good && o->twice) { /* the same seed, the same trace */
        (void)sim_run(&plan, false, &digest2, again, &steps2);
        if (digest != digest2 || steps != steps2) {
            (void)snprintf(failure, sizeof failure, "sim: the same seed gave another trace");
            good = false;
        }
    }
    if (good) {
        return true;
    }
    (void)printf("FAIL seed=%llu step=%llu invariant=%s\n", (unsigned long long)seed,
                 (unsigned long long)steps, failure);
    if (o->shrink) {
        shrink(&plan, failure);
        print_plan(&plan);
    }
    show_command(&plan);
    (void)fflush(stdout);
    return false;
}

/* Every jobs-th seed. The number of failing ones, at most 100. */
static int run_share(const struct options *o, int share, double until, uint64_t *done)
{
    int failed = 0;

    for (uint64_t i = (uint64_t)share; i < o->n && failed < (o->stop ? 1 : 100);
         i += (uint64_t)o->jobs) {
        if (until > 0 && seconds() > until) {
            break;
        }
        failed += !run_one(o, o->first + i);
        ++*done;
    }
    return failed;
}

static int run_file(const struct options *o)
{
    FILE *file = o->file ? fopen(o->file, "r") : NULL;
    char line[200];
    int failed = 0;

    if (o->file && !file) {
        (void)fprintf(stderr, "lastmile-sim: cannot open %s: %s\n", o->file, strerror(errno));
        return 1;
    }
    while (file && fgets(line, sizeof line, file)) {
        char *end = NULL;
        unsigned long long seed = strtoull(line, &end, 10);

        if (end != line) {
            failed += !run_one(o, seed);
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return failed;
}

static int run_all(const struct options *o)
{
    double begun = seconds(), until = o->minutes ? begun + o->minutes * 60.0 : 0;
    int pipes[2], failed = run_file(o), running = 0;
    uint64_t done = 0, part;

    if (pipe(pipes) != 0) {
        return 1;
    }
    (void)fflush(stdout);
    for (int j = 0; j < o->jobs; j++) {
        pid_t child = fork();

        if (child == 0) {
            int bad;

            part = 0;
            sim_templates_forget();
            bad = run_share(o, j, until, &part);
            (void)!write(pipes[1], &part, sizeof part);
            (void)fflush(stdout);
            exit(bad > 100 ? 100 : bad);
        }
        running += child > 0;
    }
    while (running-- > 0) {
        int status = 0;

        (void)wait(&status);
        if (WIFEXITED(status)) {
            failed += WEXITSTATUS(status);
            (void)!read(pipes[0], &part, sizeof part);
            done += part;
        } else {
            (void)printf("FAIL a process of the simulation ended by signal %d\n", WTERMSIG(status));
            failed++;
        }
    }
    (void)printf("%llu seeds from %llu in %.0f s: %d failed\n", (unsigned long long)done,
                 (unsigned long long)o->first, seconds() - begun, failed);
    return failed;
}

static bool take_faults(const char *text, uint32_t *out)
{
    char copy[400];
    char *rest = NULL;

    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        int f = 0;

        while (f < F_COUNT && strcmp(sim_fault_names[f], name) != 0) {
            f++;
        }
        if (f == F_COUNT) {
            (void)fprintf(stderr, "lastmile-sim: no fault \"%s\"\n", name);
            return false;
        }
        *out |= 1u << f;
    }
    return true;
}

static bool take_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(name, "--trace") == 0) {
            o->trace = true;
        } else if (strcmp(name, "--shrink") == 0) {
            o->shrink = true;
        } else if (strcmp(name, "--twice") == 0) {
            o->twice = true;
        } else if (strcmp(name, "--stop") == 0) {
            o->stop = true;
        } else if (strcmp(name, "--breaks") == 0) {
            for (int b = 1; b < LM_BREAK_COUNT; b++) {
                (void)printf("%s\t%s\t%s\n", lm_breaks[b].name, lm_breaks[b].promise,
                             lm_breaks[b].what);
            }
            exit(0);
        } else if (!value) {
            (void)fprintf(stderr, "lastmile-sim: %s?\n", name);
            return false;
        } else {
            uint64_t number = strtoull(value, NULL, 10);

            i++;
            if (strcmp(name, "--seeds") == 0) {
                o->n = number;
            } else if (strcmp(name, "--first") == 0) {
                o->first = number;
            } else if (strcmp(name, "--seed") == 0) {
                o->first = number;
                o->n = 1;
                o->one = true;
            } else if (strcmp(name, "--jobs") == 0) {
                o->jobs = number > 0 && number <= 64 ? (int)number : 1;
            } else if (strcmp(name, "--minutes") == 0) {
                o->minutes = (int)number;
            } else if (strcmp(name, "--stations") == 0) {
                o->stations = number <= SIM_STATIONS_MAX ? (int)number : SIM_STATIONS_MAX;
            } else if (strcmp(name, "--actions") == 0) {
                o->actions = (int)number;
            } else if (strcmp(name, "--break") == 0) {
                if (!lm_break_choose(value)) {
                    (void)fprintf(stderr, "lastmile-sim: this build cannot make the mistake %s\n",
                                  value);
                    return false;
                }
                sim_mistake = value;
            } else if (strcmp(name, "--file") == 0) {
                o->file = value;
            } else if (strcmp(name, "--with") == 0) {
                if (!take_faults(value, &o->with)) {
                    return false;
                }
            } else if (strcmp(name, "--force") == 0) {
                if (!take_faults(value, &o->force)) {
                    return false;
                }
            } else if (strcmp(name, "--without") == 0) {
                if (!take_faults(value, &o->without)) {
                    return false;
                }
            } else {
                (void)fprintf(stderr, "lastmile-sim: no option %s\n", name);
                return false;
            }
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options o = {.first = 1, .n = 1000, .jobs = 2};

    if (!take_options(argc, argv, &o)) {
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (!o.trace && !freopen("/dev/null", "w", stderr)) { /* thousands of crashes log a lot */
        return 2;
    }
    if (sodium_init() < 0) {
        return 2;
    }
    /* One thread, and nobody reads SQLite's sums: a seed costs a fifth less. Before the first use of
     * SQLite, which sim_disk_install() is. */
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1200, 400);
    sim_disk_install();
    if (o.one) {
        return run_one(&o, o.first) ? 0 : 1;
    }
    return run_all(&o) ? 1 : 0;
}
