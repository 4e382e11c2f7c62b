"""Make the two schemas, trigram search, and the sum of histograms."""

from typing import ClassVar

from django.db import migrations

FUNCTIONS = """
CREATE OR REPLACE FUNCTION idx.histogram_add(bigint[], bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n), '{}')
    FROM unnest($1, $2) WITH ORDINALITY AS pair(a, b, n)
$$;
CREATE OR REPLACE AGGREGATE idx.histogram_sum(bigint[]) (
    sfunc = idx.histogram_add, stype = bigint[], initcond = '{}', combinefunc = idx.histogram_add, parallel = safe
);
"""


class Migration(migrations.Migration):
    """Schemas first: every table names its own."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.RunSQL(
            "CREATE SCHEMA IF NOT EXISTS config; CREATE SCHEMA IF NOT EXISTS idx;",
            "DROP SCHEMA IF EXISTS idx CASCADE; DROP SCHEMA IF EXISTS config CASCADE;",
        ),
        # Where it is installed already, it stays in its schema.
        migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS pg_trgm;", migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
