"""Lay out the hot tables: search indexes, room for updates in place."""

from typing import ClassVar

from django.db import migrations

# gin_trgm_ops is named with its extension's schema: nothing here may depend on the search path.
SEARCH = """
DO $$
DECLARE trgm text := (
    SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'
);
BEGIN
    EXECUTE format(
        'CREATE INDEX payload_search ON idx.payload USING gin (search %I.gin_trgm_ops) WHERE search IS NOT NULL', trgm
    );
END $$;
CREATE INDEX payload_document ON idx.payload USING gin (document jsonb_path_ops) WHERE document IS NOT NULL;
-- A search reads the pending list from end to end, and whoever fills it sorts it in: both stay short.
ALTER INDEX idx.payload_search SET (gin_pending_list_limit = 1024);
ALTER INDEX idx.payload_document SET (gin_pending_list_limit = 1024);
"""

# Counters, roll-ups and positions are rewritten with every batch: half-empty pages keep that HOT.
STORAGE = """
ALTER TABLE idx.activity SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);
ALTER TABLE idx.transition SET (autovacuum_vacuum_insert_scale_factor = 0.1);
ALTER TABLE idx.counter SET (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE idx.minute SET (fillfactor = 50);
ALTER TABLE idx.source SET (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE idx.worker SET (fillfactor = 50);
"""


# Django gives each text key a second index for LIKE; under the collation "C" the first one does that.
TWINS = """
DO $$
DECLARE twin regclass;
BEGIN
    FOR twin IN SELECT indexrelid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
        WHERE c.relnamespace = 'idx'::regnamespace AND c.relname LIKE '%\\_like'
    LOOP EXECUTE format('DROP INDEX %s', twin); END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    """What a Django model cannot say of its table."""

    dependencies: ClassVar = [("queues", "0002_tables")]
    operations: ClassVar = [
        migrations.RunSQL(SEARCH, "DROP INDEX IF EXISTS idx.payload_search, idx.payload_document;"),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(TWINS, migrations.RunSQL.noop),
    ]
