"""What the databases themselves are set to: encoding, locale, settings of database and roles, extensions."""

# The newer catalogs call the ICU locale `datlocale`, 15 and 16 `daticulocale`, older ones have none.
ENCODING = """SELECT 'encoding', pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"""

LOCALE = """SELECT v.name, v.value FROM pg_database d, LATERAL (VALUES
    ('lc_collate', d.datcollate::text), ('lc_ctype', d.datctype::text),
    ('locale provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')),
    ('locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))) AS v(name, value)
 WHERE d.datname = current_database()
UNION ALL SELECT name, reset_val FROM pg_settings
 WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'standard_conforming_strings', 'bytea_output', 'lc_monetary',
   'lc_numeric', 'lc_time', 'default_transaction_isolation', 'default_text_search_config', 'default_toast_compression',
   'max_prepared_transactions', 'password_encryption', 'array_nulls', 'row_security', 'xmlbinary', 'xmloption')"""

SETTINGS = """SELECT concat_ws(' ', CASE WHEN s.setrole = 0 THEN 'all roles' ELSE 'role ' || pg_get_userbyid(s.setrole) END,
         CASE WHEN s.setdatabase = 0 THEN 'in every database' END, split_part(v, '=', 1)), substr(v, strpos(v, '=') + 1),
       format('ALTER %s SET %s = %L;', what, split_part(v, '=', 1), substr(v, strpos(v, '=') + 1)),
       format('ALTER %s SET %s = %L;', what, split_part(v, '=', 1), substr(v, strpos(v, '=') + 1)),
       format('ALTER %s RESET %s;', what, split_part(v, '=', 1)), NULL
  FROM pg_db_role_setting s, unnest(s.setconfig) v, LATERAL (SELECT CASE
         WHEN s.setrole = 0 THEN format('DATABASE %I', current_database())
         WHEN s.setdatabase = 0 THEN format('ROLE %I', pg_get_userbyid(s.setrole))
         ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(s.setrole), current_database()) END AS what) w
 WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND NOT (s.setrole = 0 AND v LIKE 'default_transaction_read_only=%')"""

EXTENSIONS = """SELECT format('extension %I', extname), 'installed', format('CREATE EXTENSION %I VERSION %L;', extname, extversion),
       NULL, format('DROP EXTENSION %I;', extname), NULL FROM pg_extension"""
EXTENSION_VERSIONS = "SELECT format('%I', extname), extversion FROM pg_extension"
