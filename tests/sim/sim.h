/* The deterministic simulation of a town: one hub, stations with one or two PCs, virtual time. The
 * stores, saves, sessions, merges and server rounds are the programs' own (lm_hub, lm_node); clock,
 * network, randomness and the failing disk are the simulation's, linked in place of the real ones.
 *
 * One seed decides everything, so the same seed gives the same trace digest. clock.c, net.c,
 * disk.c: the seams; world.c: who is there, starting, crashing, going back; users.c: what people
 * do; faults.c: what goes wrong; check.c: what must hold, with journal_*.c (what the hub makes
 * of each change) and ledger.c (its figures); main.c: seeds, jobs, shrinking. */
#ifndef LM_TESTS_SIM_H
#define LM_TESTS_SIM_H

#include "common/base/util.h"
#include "hub/gate.h"
#include "hub/server.h"
#include "node/link.h"
#include "node/save.h"
#include "tests/sim/journal_model.h"

#include <jansson.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>

enum {
    SIM_STATIONS_MAX = 64,
    SIM_NODES_MAX = 96,
    SIM_SAVES_MAX = 20000,
    SIM_RECORDS_MAX = 4000,
    SIM_IMAGES_MAX = 3,
    SIM_POISON = 909, /* items of a consultation that the hub's database refuses (world.c) */
};

/* What may go wrong. A seed chooses some; --without and shrinking take some away. */
enum sim_fault {
    F_LOSS,       /* messages vanish although the connection stands */
    F_DUPLICATE,  /* messages come twice */
    F_REORDER,    /* messages overtake each other */
    F_DELAY,      /* seconds instead of milliseconds */
    F_PARTITION,  /* a station without the hub for minutes */
    F_TEAR,       /* connections break, what is on its way is gone */
    F_NODE_CRASH, /* at any write or between two rounds */
    F_HUB_CRASH,  /* at any write, before or after COMMIT, before the answers */
    F_DISK_FULL,
    F_CLOCK,            /* PCs years off, jumping; a stopped clock */
    F_NODE_BACK,        /* a PC's disk is set back to an earlier image */
    F_STAFF,            /* town staff approve, send back, edit */
    F_RESOLVE,          /* and resolve conflicts */
    F_TWO_PCS,          /* stations with two PCs */
    F_REVOKE,           /* a PC is revoked and another takes its place */
    F_HUB_RESTORE,      /* the hub is restored from a backup of any age */
    F_HUB_BACK,         /* its disk is set back in silence, as by a virtual machine */
    F_FIRST_OF_ITS_OWN, /* from here on each has random numbers of its own: see sim->own */
    F_DOUBLES = F_FIRST_OF_ITS_OWN, /* one person is registered twice, in two villages */
    F_BURST,                        /* many records at once, as from a table */
    F_STRANGER,                     /* a PC's program was changed: it writes another village's */
    F_POISON,                       /* a change that no transaction bears */
    F_NEWER,                        /* a PC has a newer catalogue, with one more field */
    F_MOVES,                        /* people move to another village */
    F_USB,                          /* sticks beside the network */
    F_CLONE,                        /* a PC's disk is copied, and both go on under one key */
    F_UPGRADE,                      /* the town's catalogue changes */
    F_COUNT
};
extern const char *const sim_fault_names[F_COUNT];
/* Off unless --with names them: what the programs do not heal yet (seeds.txt has seeds that show
 * it). None now. */
#define SIM_FAULTS_LATER 0u

struct sim_plan {
    uint64_t seed;
    uint32_t faults; /* bit mask of enum sim_fault */
    uint32_t later;  /* those that the seed draws and SIM_FAULTS_LATER keeps out */
    int stations, actions;
    int64_t span_ms; /* in which people act and things go wrong */
};

/* A save that was answered with success. */
struct sim_save {
    uint64_t replica, hlc;
    int node;
    int64_t at_ms; /* true time */
    bool
        excused; /* its disk was lost before the hub had it: the promise is about disks that live */
};
struct sim_record {
    char id[40];
    const char *type;
    int station;
    bool deleted;
};

/* Of which state of a database something was read: seen.c. */
struct sim_seen {
    bool known;
    unsigned version, opened;
};

struct sim_node {
    int index, station;
    char path[PATH_MAX];
    struct lm_datadir dir;
    struct lm_nstore *store;
    struct lm_node_key key;
    struct lm_link link;
    bool revoked;           /* told so with success */
    bool by_stick;          /* it has exported: what it says of completeness is by its own clock */
    bool made, up, retired; /* retired: revoked or replaced; it need not converge */
    int64_t skew_ms;        /* its wall clock minus true time */
    int64_t stopped_ms;     /* its clock stands at this time; 0 = it goes */
    int64_t restart_ms;     /* when down: when it comes up again */
    int64_t away_ms;        /* cut off from the hub until then */
    int64_t tick_ms;
    int images;                        /* kept of its disk */
    int times_back;                    /* it was set back to one of them */
    int copy_of;                       /* index + 1 of the PC that it is a copy of; 0: of none */
    bool copied;                       /* its disk and key are at another PC too, or were */
    uint64_t former;                   /* its number before it was enrolled anew; 0: none */
    uint64_t acked_seen, acked_branch; /* highest ack that it was told, for P2 */
    unsigned opened;                   /* how often its database was */
    struct lm_me me;                   /* as sim_me() and sim_row() read them last */
    struct lm_replica row;
    struct sim_seen me_seen, row_seen;
};

struct sim {
    struct sim_plan plan;
    struct lm_rand rnd;
    struct lm_rand own[F_COUNT]; /* of faults from F_FIRST_OF_ITS_OWN on: one more of them leaves
                                    seeds without it as they were */
    int64_t now_ms;              /* true time: ms since 1970 */
    int64_t mono_ms;
    bool calm;                       /* faults have stopped */
    struct lm_catalog *catalog;      /* the programs' own */
    const struct lm_catalog *newest; /* of this run: the town's last one */
    char work[PATH_MAX];
    /* the hub */
    struct lm_hub hub;
    struct lm_server *server;
    bool hub_up;
    unsigned hub_opened; /* how often its database was */
    int64_t hub_restart_ms, hub_tick_ms;
    enum { CRASH_NONE, CRASH_BEFORE_COMMIT, CRASH_IN_COMMIT, CRASH_AFTER_COMMIT } hub_crash;
    bool hub_mute; /* the process is gone: what it sends goes nowhere */
    struct sim_node nodes[SIM_NODES_MAX];
    int n_nodes;
    int actor; /* whose clock is asked: -1 the hub's, -2 nobody's */
    struct sim_save saves[SIM_SAVES_MAX];
    size_t n_saves;
    struct sim_record records[SIM_RECORDS_MAX];
    size_t n_records;
    uint64_t steps, n_faults;
    uint64_t digest; /* of the trace */
    bool trace;
    struct journal_model *model;
    char failure[1000]; /* "" = none */
};
extern struct sim *sim;

/* Chance of one in n. */
bool sim_chance(unsigned n);
/* Whether the plan has a fault with random numbers of its own, and its turn comes, one time in n.
 */
bool sim_turn(enum sim_fault fault, unsigned n);
uint64_t sim_own_below(enum sim_fault fault, uint64_t n);
/* Notes an event in the trace and its digest. */
void sim_note(const char *fmt, ...) LM_PRINTF(1, 2);
/* A promise does not hold: the first one is kept. name: "P2 …". */
void sim_fail(const char *name, const char *fmt, ...) LM_PRINTF(2, 3);

/* net.c */
void sim_net_reset(void);
void sim_net_tear(int node); /* -1 = every connection */
/* Nodes get now what the hub has sent them. */
void sim_net_deliver(void);
int64_t sim_net_next_ms(void); /* true time of the next delivery; INT64_MAX = none */
bool sim_net_due_for_hub(void);
bool sim_net_due_for(int node);
size_t sim_net_in_flight(void);

/* disk.c: a VFS in front of the real one; files belong to who is named by their path. */
void sim_disk_install(void);
enum { DISK_HUB = SIM_NODES_MAX, DISK_OWNERS };
/* The owner's process dies at its n-th write from now (0 = at once): nothing is written after. */
void sim_disk_die_after(int owner, int writes);
/* The next n writes fail for want of space. */
void sim_disk_full(int owner, int writes);
bool sim_disk_dead(int owner);
void sim_disk_heal(int owner);

/* world.c */
bool sim_copy_file(const char *from, const char *to);
/* Copies a database and what its WAL holds. */
bool sim_copy_database(const char *from_dir, const char *to_dir, const char *from_name,
                       const char *to_name);
bool sim_templates(void);        /* once a process, before anything is seeded */
void sim_templates_forget(void); /* in a child, after fork */
bool sim_world_open(void);       /* makes everything for sim->plan */
void sim_world_close(void);
void sim_hub_start(void);
void sim_hub_crash(const char *why);
int sim_node_add(int station); /* enrols one more PC; its index, or -1 */
void sim_node_start(struct sim_node *node);
/* Under node->key.own; it has a number and a certificate then. */
bool sim_node_enrol(struct sim_node *node);
void sim_node_crash(struct sim_node *node, const char *why);
void sim_node_keep_image(struct sim_node *node);
void sim_node_go_back(struct sim_node *node);
const char *sim_station_code(int station);

/* hub_back.c */
void sim_hub_back_reset(void);
void sim_hub_settle_all(void);
void sim_hub_back_forget(const struct sim_node *node); /* it was set back itself */
void sim_hub_back_strike(bool silent); /* keeps an image, goes back to one, or confirms */
/* A person confirms all that was given back. True: something was taken over. */
bool sim_hub_accept_all(void);
/* Until a node has learnt that the hub went back, it believes in the history that is gone. */
bool sim_hub_distrusted(const struct sim_node *node, const struct lm_me *me);
void sim_hub_distrust(const struct sim_node *node); /* it was told of that history again */
unsigned sim_hub_times_back(void);
bool sim_hub_raise(void);                /* a technician ends that the hub is read-only */
void sim_check_given_back(sqlite3 *hub); /* P7, at the end */

/* users.c */
void sim_user_act(void);
json_t *sim_person(int station, const char *name, const char *household); /* valid; new reference */
/* doubles.c */
json_t *sim_double_fields(json_t *person); /* somebody who may be registered elsewhere too */
void sim_doubles_reset(void);
void sim_doubles_act(void);
/* An act of town staff, with all that follows from it. id_out: of the record. */
bool sim_staff_act(const struct lm_act *what, char id_out[40]);
/* moves.c, usb.c */
void sim_moves_act(void);
void sim_usb_act(void);
/* upgrade.c */
bool sim_upgrade_prepare(void); /* makes the next catalogues; sets sim->newest */
void sim_upgrade_act(void);
/* Adds what the catalogue in force where it is entered asks for, or offers. */
void sim_upgrade_words(const struct lm_catalog *catalog, const char *type, json_t *fields);
/* clone.c */
void sim_clone_act(void);
/* A person gives each copy an enrolment of its own. True: one of them has it now. */
bool sim_clones_renew(void);
/* Under which number a save may have come as well: its PC was enrolled anew. */
uint64_t sim_other_name(const struct sim_save *save);
/* usb.c */
void sim_usb_reset(void);
/* hostile.c */
void sim_stranger_act(void);
void sim_poison_act(void);
void sim_newer_act(void);
void sim_check_newer(void); /* P6, at rest */
void sim_hostile_reset(void);
/* ledger.c */
void sim_ledger_reset(void);
/* What was saved under this version, as entered. fields: borrowed, or NULL. */
void sim_ledger_keep(struct lm_version version, const char *record, const char *station,
                     enum lm_op op, const json_t *fields);
/* The same of an act of town staff that took the journal on from `before`. */
void sim_ledger_keep_act(uint64_t before, const struct lm_act *what, const char *id);
void sim_ledger_apart(const char *a, const char *b); /* staff says: two persons */
void sim_check_figures(void);                        /* P10, at rest */
void sim_check_completeness(void);                   /* P10, at any time */
/* faults.c */
void sim_fault_strike(void);
void sim_retire(struct sim_node *node); /* it need not converge any more */
/* seen.c: as on disk now; until the next step. NULL: it is not up, or not known there. */
const struct lm_me *sim_me(struct sim_node *node);
const struct lm_replica *sim_row(struct sim_node *node); /* the hub's */
/* check.c */
void sim_check_hub(void);  /* after every commit of the hub */
void sim_check_step(void); /* safety: after every step */
bool sim_converged(void);
void sim_check_end(void); /* after all has converged */

/* run.c: one seed from start to end. False: sim->failure says what does not hold. */
bool sim_run(const struct sim_plan *plan, bool trace, uint64_t *digest_out, char failure[1000],
             uint64_t *steps_out);
void sim_plan_of(uint64_t seed, struct sim_plan *out);
extern const char *sim_mistake; /* of common/base/break.h; "none" */

#endif
