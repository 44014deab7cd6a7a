/* Every stated bound of the protocol and the catalogue in one place (P12). */
#ifndef LM_PROTO_LIMITS_H
#define LM_PROTO_LIMITS_H

#define LM_PROTOCOL_MIN 1
#define LM_PROTOCOL_MAX 2
#define LM_PROTOCOL_KEYS 2 /* from here on WELCOME has the hub's word about its keys */

#define LM_CHANGE_BYTES_MAX (64 * 1024) /* one change, encoded */
#define LM_CHANGE_FIELDS_MAX 128
#define LM_TEXT_CHARS_MAX 4000 /* Unicode characters of one text */
#define LM_LIST_ITEMS_MAX 400
#define LM_BATCH_BYTES_MAX (768 * 1024) /* packed content before zstd */
#define LM_BATCH_CHANGES_MAX 8192
#define LM_FRAME_BYTES_MAX (1024 * 1024) /* one ZeroMQ frame's body, before CURVE adds 33 */
#define LM_FRAMES_MAX 4                  /* frames of one message; more is hostile */
#define LM_WINDOW_MAX 4                  /* PUSH messages not yet acked */
#define LM_FEED_BYTES_MAX (256 * 1024)
#define LM_FEED_ENTRIES_MAX 1000
#define LM_WANT_MAX 500
#define LM_COMPARE_MAX 4000 /* ids of one DIGESTS */
#define LM_HISTORY_MAX 500  /* entries of one HISTORY */
#define LM_HISTORY_BYTES_MAX                                                                       \
    (256 * 1024) /* of the entries of one HISTORY; one entry always fits                           \
                  */
#define LM_OFFER_RECORDS_MAX 500
#define LM_OFFER_BYTES_MAX (256 * 1024) /* of one RECOVER; a larger record comes by itself */
#define LM_RECOVERED_MAX 50000          /* undecided at the hub, of one installation */
#define LM_RECOVERED_BYTES_MAX (32 * 1024 * 1024)
#define LM_HELD_MOVED_MAX 5000 /* changes of one station that wait for records to move to it */
#define LM_MOVED_DAYS 90 /* after a hub went back: how long moves that it lost are waited for */
#define LM_ACK_VERDICTS_MAX 100
#define LM_CHECKPOINTS_MAX 64 /* places in the hub's journal that a node remembers */
#define LM_BUNDLE_BYTES_MAX (64 * 1024 * 1024) /* one file on a stick; a long log takes several */
#define LM_BUNDLE_PARTS_MAX 999                /* files of one export */
#define LM_BUNDLE_PASTS_MAX 500                /* records whose history one bundle asks for */
#define LM_CATALOG_BYTES_MAX (4 * 1024 * 1024)
#define LM_CATALOG_PACKED_BYTES_MAX (LM_CATALOG_BYTES_MAX + 128 * 1024)
#define LM_CATALOG_FILES_MAX 256
#define LM_CATALOG_PART_BYTES_MAX (64 * 1024)  /* of a packed catalogue in one message */
#define LM_SKEW_MS (5 * 60 * 1000)             /* HLC ahead of hub time that is still believed */
#define LM_PULL_AGAIN_MS 30000                 /* ask again when a FEED page does not come */
#define LM_FREE_BYTES_MIN (50LL * 1024 * 1024) /* a node refuses saves below this */
#define LM_LINE_BYTES_MAX (256 * 1024)         /* one NDJSON line */
#define LM_KEY_CHARS_MAX 80                    /* idempotence key of an add line */
#define LM_USER_CHARS_MAX 64
#define LM_DEPTH_MAX 8     /* nesting in msgpack and JSON from outside */
#define LM_NODES_MAX 65536 /* msgpack values in one message body */
#define LM_FIELDS_PER_TYPE_MAX 96
#define LM_GROUPS_PER_TYPE_MAX 96
#define LM_TYPES_MAX 128
#define LM_NAME_BYTES_MAX 40      /* of a type, field or group */
#define LM_UNKNOWN_STAMPS_MAX 256 /* groups of one record that its holder's catalogue lacks */
#define LM_ISSUES_MAX 32          /* complaints reported about one record */

#endif
