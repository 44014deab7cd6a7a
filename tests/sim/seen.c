/* What a PC and the hub have on disk about that PC, for checks that look after every step: read
 * again only when the database has been written since (SQLITE_FCNTL_DATA_VERSION; each has one
 * connection here) or was opened anew. */
#include "hub/store/store_internal.h"
#include "node/store/store_internal.h"
#include "tests/sim/sim.h"

static unsigned version_of(sqlite3 *db)
{
    unsigned version = 0;

    LM_CHECK(sqlite3_file_control(db, "main", SQLITE_FCNTL_DATA_VERSION, &version) == SQLITE_OK);
    return version;
}

const struct lm_me *sim_me(struct sim_node *node)
{
    struct lm_error err = {0};
    struct sim_seen *seen = &node->me_seen;
    unsigned version;

    if (!node->up) {
        return NULL;
    }
    version = version_of(lm_db_handle(node->store->db));
    if (!seen->known || seen->version != version || seen->opened != node->opened) {
        seen->known = lm_nstore_me(node->store, &node->me, &err) == LM_OK;
        seen->version = version;
        seen->opened = node->opened;
    }
    return seen->known ? &node->me : NULL;
}

const struct lm_replica *sim_row(struct sim_node *node)
{
    const struct lm_me *me = sim_me(node);
    struct sim_seen *seen = &node->row_seen;
    unsigned version;

    if (!me || !sim->hub_up) {
        return NULL;
    }
    version = version_of(sim->hub.store->sql);
    if (!seen->known || node->row.number != me->replica || seen->version != version ||
        seen->opened != sim->hub_opened) {
        seen->known = lm_store_replica_get(sim->hub.store, me->replica, &node->row) == LM_OK;
        seen->version = version;
        seen->opened = sim->hub_opened;
    }
    return seen->known ? &node->row : NULL;
}
