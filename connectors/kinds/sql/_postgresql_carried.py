"""Queries over PostgreSQL's catalogue about a table that another one is to replace.

Each answers with texts in its first column: reasons against it, or statements that give the other table what belongs to the
first. Parameters: `table`, `stash` and (for `LET_GO`) `old` are quoted names with their schema; `short` is the stash's bare
name and, for `EXCHANGE`, `old` the bare name that the replaced table gets.
"""

# The table `t` with its schema and its owner.
TABLE = """
WITH t AS (
  SELECT c.*, n.nspname, quote_ident(pg_get_userbyid(c.relowner)) AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%(table)s)
)"""

# Its indexes, and their names: as they were made for the stash, and those that the replaced ones get.
INDEXES = """, i AS (
  SELECT t.nspname, t.relname AS tablename, x.oid, x.relname, i.indisunique, i.indisreplident, i.indisclustered,
    c.oid AS conoid, c.contype, c.condeferrable, c.condeferred, row_number() OVER (ORDER BY x.oid) AS number,
    %(short)s || '_' || row_number() OVER (ORDER BY x.oid) AS made
  FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid
  LEFT JOIN pg_constraint c ON c.conindid = x.oid AND c.conrelid = t.oid AND c.contype IN ('p', 'u', 'x')
)"""

# Every reason why the table has to stay in its place. What depends on a table is known to pg_depend: whatever isn't named here
# as carried is a reason.
OBSTACLES = f"""{TABLE}
SELECT 'it is not an ordinary table' FROM t
  WHERE relkind <> 'r' OR relispartition OR relpersistence = 't' OR reloftype <> 0
UNION ALL SELECT format('it belongs to %%s', owner) FROM t WHERE NOT pg_has_role(relowner, 'USAGE')
UNION ALL SELECT format('its owner and this user may not both make tables in the schema %%I', nspname) FROM t
  WHERE NOT has_schema_privilege(nspname, 'CREATE') OR NOT has_schema_privilege(relowner, nspname, 'CREATE')
UNION ALL SELECT format('it is tied to %%s by inheritance', other::regclass) FROM t, LATERAL (
  SELECT inhparent AS other FROM pg_inherits WHERE inhrelid = t.oid
  UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = t.oid) n
UNION ALL SELECT CASE conrelid WHEN t.oid THEN 'it references itself' ELSE format('%%s references it', conrelid::regclass) END
  FROM t JOIN pg_constraint c ON c.confrelid = t.oid AND c.contype = 'f'
UNION ALL SELECT 'row-level security is on' FROM t WHERE relrowsecurity OR relforcerowsecurity
UNION ALL SELECT format('it is published by %%I', p.pubname) FROM t
  JOIN pg_publication_tables p ON p.schemaname = t.nspname AND p.tablename = t.relname
UNION ALL SELECT format('its constraint %%I has not been validated', c.conname) FROM t
  JOIN pg_constraint c ON c.conrelid = t.oid AND NOT c.convalidated
UNION ALL SELECT format('its index %%I is invalid, or has settings of its own', x.relname) FROM t
  JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid
  WHERE NOT i.indisvalid OR x.reltablespace <> t.reltablespace OR EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = x.oid AND coalesce(a.attstattarget, -1) >= 0)
UNION ALL SELECT format('its column %%I has settings of its own', a.attname) FROM t
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE a.attoptions IS NOT NULL OR coalesce(a.attstattarget, -1) >= 0
UNION ALL SELECT 'it has a security label' FROM t WHERE EXISTS (
  SELECT FROM pg_seclabel l WHERE l.objoid = t.oid AND l.classoid = 'pg_class'::regclass)
UNION ALL SELECT format('%%s has granted rights on it', pg_get_userbyid(g.grantor)) FROM t, LATERAL (
  SELECT a.grantor FROM aclexplode(t.relacl) a
  UNION SELECT a.grantor FROM pg_attribute c, aclexplode(c.attacl) a WHERE c.attrelid = t.oid
) g WHERE g.grantor <> t.relowner
UNION ALL SELECT format('its identity sequence %%s has grants of its own', s.oid::regclass) FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.deptype = 'i'
  JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S' AND s.relacl IS NOT NULL
UNION ALL SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) || ' depends on it' FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid OR d.refclassid = 'pg_type'::regclass
    AND d.refobjid IN (t.reltype, (SELECT typarray FROM pg_type y WHERE y.oid = t.reltype))
  WHERE NOT CASE d.classid
    WHEN 'pg_class'::regclass THEN d.deptype IN ('a', 'i')
    WHEN 'pg_attrdef'::regclass THEN true
    WHEN 'pg_constraint'::regclass THEN true
    WHEN 'pg_publication_rel'::regclass THEN true
    WHEN 'pg_type'::regclass THEN d.deptype = 'i'
    WHEN 'pg_trigger'::regclass THEN (SELECT g.tgisinternal FROM pg_trigger g WHERE g.oid = d.objid)
    WHEN 'pg_rewrite'::regclass THEN EXISTS (
      SELECT FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
      WHERE r.oid = d.objid AND r.rulename = '_RETURN' AND v.relkind = 'v' AND pg_has_role(v.relowner, 'USAGE'))
    ELSE false END
"""

# Makes the stash. LIKE brings columns, defaults, identity, checks, comments, storage and compression.
MAKE = f"""{TABLE}
SELECT format('CREATE %%s TABLE %%s (LIKE %%s INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS) USING %%I%%s%%s',
  CASE relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE '' END, %(stash)s, %(table)s,
  (SELECT amname FROM pg_am a WHERE a.oid = relam),
  (SELECT ' WITH (' || string_agg(o, ', ') || ')' FROM (
    SELECT o FROM unnest(t.reloptions) o
    UNION ALL SELECT 'toast.' || o FROM pg_class s, unnest(s.reloptions) o WHERE s.oid = t.reltoastrelid) x),
  (SELECT format(' TABLESPACE %%I', spcname) FROM pg_tablespace s WHERE s.oid = t.reltablespace)) FROM t
"""

# Gives the loaded stash its indexes and keys.
FINISH = f"""{TABLE}{INDEXES}, built AS (
  SELECT *, CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END AS unique, pg_get_indexdef(oid) AS def FROM i
)
SELECT CASE WHEN contype = 'x'
    THEN format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %(stash)s, made, pg_get_constraintdef(conoid))
    ELSE format('CREATE %%sINDEX %%I ON %%s%%s', b.unique, made, %(stash)s, substr(def, length(
      format('CREATE %%sINDEX %%I ON %%I.%%I', b.unique, relname, nspname, tablename)) + 1)) END, 1, oid FROM built b
UNION ALL SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s USING INDEX %%I%%s', %(stash)s, made,
  CASE contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, made,
  CASE WHEN condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN condeferrable THEN ' DEFERRABLE' ELSE '' END), 2, oid
  FROM built WHERE contype IN ('p', 'u')
ORDER BY 2, 3
"""

# Gives it the foreign keys to other tables. They hold up who writes to those: made at the last moment, before readers are kept out.
REFERENCES = f"""{TABLE}
SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %(stash)s, c.conname, pg_get_constraintdef(c.oid)) FROM t
  JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' ORDER BY c.oid
"""

# Locks the views that read the table, and changes nothing. Their readers lock first the view and then the table: so do we.
VIEWS = f"""{TABLE}
SELECT DISTINCT format('ALTER VIEW %%I.%%I OWNER TO %%I', n.nspname, c.relname, pg_get_userbyid(c.relowner)) FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
  JOIN pg_namespace n ON n.oid = c.relnamespace
"""

# Gives it everything else, and the table's name; the views that read the table read it from then on.
EXCHANGE = f"""{TABLE}{INDEXES}, v AS (
  SELECT DISTINCT c.oid, n.nspname, c.relname, c.reloptions FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
  JOIN pg_namespace n ON n.oid = c.relnamespace
), owned AS (
  SELECT q.nspname, s.relname, a.attname, a.attnum, d.deptype, pg_get_serial_sequence(%(stash)s, a.attname) AS made FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace q ON q.oid = s.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid WHERE d.deptype IN ('a', 'i')
), granted AS (
  SELECT a.*, '' AS columns FROM t, aclexplode(t.relacl) a
  UNION ALL SELECT a.*, format('(%%I)', c.attname) FROM t
  JOIN pg_attribute c ON c.attrelid = t.oid AND c.attacl IS NOT NULL AND NOT c.attisdropped, aclexplode(c.attacl) a
), given AS (
  SELECT DISTINCT a.grantee FROM pg_class s, aclexplode(coalesce(s.relacl, acldefault('r', s.relowner))) a
  WHERE s.oid = to_regclass(%(stash)s) AND (a.grantee <> s.relowner OR EXISTS (SELECT FROM t WHERE relacl IS NOT NULL))
)
SELECT format('SELECT setval(%%L, last_value, is_called) FROM %%I.%%I', made, nspname, relname), 1
  FROM owned WHERE deptype = 'i'
UNION ALL SELECT format('REVOKE ALL ON %%s FROM %%s', %(stash)s,
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END), 2 FROM given
UNION ALL SELECT format('GRANT %%s%%s ON %%s TO %%s%%s', privilege_type, columns, %(stash)s,
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), 3 FROM granted
UNION ALL SELECT format('COMMENT ON TABLE %%s IS %%L', %(stash)s, obj_description(oid, 'pg_class')), 4 FROM t
  WHERE obj_description(oid, 'pg_class') IS NOT NULL
UNION ALL SELECT format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', c.conname, %(stash)s,
  obj_description(c.oid, 'pg_constraint')), 4 FROM t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f'
  WHERE obj_description(c.oid, 'pg_constraint') IS NOT NULL
UNION ALL SELECT format('ALTER TABLE %%s OWNER TO %%s', %(stash)s, owner), 5 FROM t
  WHERE relowner <> (SELECT relowner FROM pg_class s WHERE s.oid = to_regclass(%(stash)s))
UNION ALL SELECT format('ALTER SEQUENCE %%I.%%I OWNED BY %%s.%%I', nspname, relname, %(stash)s, attname), 6
  FROM owned WHERE deptype = 'a'
UNION ALL SELECT format('ALTER TABLE %%s RENAME TO %%I', %(table)s, %(old)s), 7 FROM t
UNION ALL SELECT format('ALTER TABLE %%s RENAME TO %%I', %(stash)s, relname), 8 FROM t
UNION ALL SELECT format('CREATE OR REPLACE VIEW %%I.%%I%%s AS %%s', nspname, relname,
  ' WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid)), 9 FROM v
UNION ALL SELECT format('ALTER INDEX %%I.%%I RENAME TO %%I', nspname, relname, %(old)s || '_' || number), 10 FROM i
UNION ALL SELECT format('ALTER INDEX %%I.%%I RENAME TO %%I', nspname, made, relname), 11 FROM i
UNION ALL SELECT format('COMMENT ON INDEX %%I.%%I IS %%L', nspname, relname, obj_description(oid, 'pg_class')), 12
  FROM i WHERE obj_description(oid, 'pg_class') IS NOT NULL
UNION ALL SELECT format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', relname, %(table)s,
  obj_description(conoid, 'pg_constraint')), 12 FROM i WHERE obj_description(conoid, 'pg_constraint') IS NOT NULL
UNION ALL SELECT format('ALTER TABLE %%s CLUSTER ON %%I', %(table)s, relname), 12 FROM i WHERE indisclustered
UNION ALL SELECT format('ALTER TABLE %%s REPLICA IDENTITY %%s', %(table)s, CASE relreplident WHEN 'f' THEN 'FULL'
  WHEN 'n' THEN 'NOTHING' ELSE (SELECT format('USING INDEX %%I', relname) FROM i WHERE indisreplident) END), 12
  FROM t WHERE relreplident <> 'd'
UNION ALL SELECT format('ALTER SEQUENCE %%I.%%I RENAME TO %%I', nspname, relname, %(old)s || '_seq_' || attnum), 13
  FROM owned WHERE deptype = 'i'
UNION ALL SELECT format('ALTER SEQUENCE %%s RENAME TO %%I', made, relname), 14 FROM owned WHERE deptype = 'i'
ORDER BY 2
"""

# A table that is kept must not hold anything back: no rules about other tables, no sequence of the new one.
LET_GO = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', %(old)s, conname) FROM pg_constraint
  WHERE conrelid = to_regclass(%(old)s) AND contype = 'f'
UNION ALL SELECT format('ALTER TABLE %%s ALTER COLUMN %%I DROP DEFAULT', %(old)s, attname) FROM pg_attribute
  WHERE attrelid = to_regclass(%(old)s) AND attnum > 0 AND NOT attisdropped AND atthasdef AND attgenerated = ''
"""
