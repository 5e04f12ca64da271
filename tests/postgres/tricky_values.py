"""Pairs of values that a comparison must tell apart, or must not: each is a table of its own on two servers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One table on both sides; `differs` says whether its first row is another one on green. `{v}` is the value."""

    name: str
    blue: str
    green: str
    differs: bool
    kind: str = "text"
    debian: bool = False
    """Needs collations of ICU or an extension, which the wheel's servers lack."""

    @property
    def table(self) -> str:
        return "public.case_" + "".join(letter if letter.isalnum() else "_" for letter in self.name.lower())


D, S = True, False
TYPES = """CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN public.price AS numeric CHECK (VALUE >= 0);
CREATE DOMAIN public.words AS text;
CREATE TYPE public.date AS (pg_catalog.date text);
CREATE TYPE public.pair AS (t text, n numeric, f float8)"""
# On green the enum has other OIDs for its labels, and the same names.
TYPES_OTHERWISE = "CREATE TYPE public.unused AS ENUM ('a', 'b', 'c', 'd', 'e'); " + TYPES
TYPES, TYPES_OTHERWISE = (text.replace("(pg_catalog.date text)", "(t text)") for text in (TYPES, TYPES_OTHERWISE))

BIG = "repeat('x', 100000) || '{}' || repeat(md5('1'), 3000)"

CASES = [
    Case("null against empty", "''", "NULL", D),
    Case("null against its name", "NULL", "'NULL'", D),
    Case("trailing blank", "'a'", "'a '", D),
    Case("trailing blank of a bpchar without length", "'a'", "'a '", D, "bpchar"),
    Case("padding of char", "'a'", "'a '", S, "char(5)"),
    Case("case only", "'a'", "'A'", D),
    Case("composed and decomposed", "U&'\\00e4'", "U&'a\\0308'", D),
    Case("a byte above 127", "'\\200'", "'\\201'", D, '"char"'),
    Case("one microsecond", "'2026-01-01+00'", "'2026-01-01 00:00:00.000001+00'", D, "timestamptz"),
    Case("infinity against null", "'infinity'", "NULL", D, "timestamptz"),
    Case("before Christ", "'2026-01-01'", "'2026-01-01 BC'", D, "timestamp"),
    Case("date before Christ", "'2026-01-01'", "'2026-01-01 BC'", D, "date"),
    Case("the same moment in two zones", "'2026-01-01 00:00+00'", "'2026-01-01 09:00+09'", S, "timestamptz"),
    Case("time zone of a time", "'10:00+00'", "'11:00+01'", D, "timetz"),
    Case("a day against 24 hours", "'1 day'", "'24:00:00'", D, "interval"),
    Case("a month against 30 days", "'1 mon'", "'30 days'", D, "interval"),
    Case("last bit of a float", "1", "1.0000000000000002", D, "float8"),
    Case("last bit of a real", "1", "1.0000001", D, "float4"),
    Case("minus zero", "0", "'-0'", D, "float8"),
    Case("minus zero real", "0", "'-0'", D, "float4"),
    Case("not a number", "'NaN'", "'NaN'", S, "float8"),
    Case("endless float", "'Infinity'", "'Infinity'", S, "float8"),
    Case("minus endless float", "'Infinity'", "'-Infinity'", D, "float8"),
    Case("large float", "1e300", "1e300", S, "float8"),
    Case("scale of a numeric", "1.0", "1.00", D, "numeric"),
    Case("declared scale", "1.0", "1.00", S, "numeric(10, 2)"),
    Case("fifty digits", "12345678901234567890123456789012345678901234567890",
         "12345678901234567890123456789012345678901234567891", D, "numeric"),
    Case("endless numeric", "'Infinity'", "'NaN'", D, "numeric"),
    Case("halves of an int8", "1", "4294967296", D, "bigint"),
    Case("halves of a timestamp", "'2026-01-01'", "timestamp '2026-01-01' + interval '4294.967296 s'", D, "timestamp"),
    Case("key order of jsonb", "'{\"a\": 1, \"b\": 2}'", "'{\"b\": 2, \"a\": 1}'", S, "jsonb"),
    Case("json null against null", "'null'", "NULL", D, "jsonb"),
    Case("scale in jsonb", "'1.0'", "'1.00'", D, "jsonb"),
    Case("blanks in json", "'{\"a\":1}'", "'{\"a\": 1}'", D, "json"),
    Case("blanks in xml", "'<a/>'", "'<a />'", D, "xml", debian=True),
    Case("enum with other oids", "'ok'", "'ok'", S, "public.mood"),
    Case("enum", "'ok'", "'sad'", D, "public.mood"),
    Case("array of enums", "'{ok,sad}'", "'{ok,sad}'", S, "public.mood[]"),
    Case("lower bound of an array", "'{1,2}'", "'[0:1]={1,2}'", D, "int[]"),
    Case("null in an array", "'{1,NULL}'", "'{1}'", D, "int[]"),
    Case("null or its name in an array", "'{NULL}'", "'{\"NULL\"}'", D, "text[]"),
    Case("separator in an array", "'{\"a,b\"}'", "'{a,b}'", D, "text[]"),
    Case("minus zero in an array", "'{0}'", "'{-0}'", D, "float8[]"),
    Case("bound of a range", "'[2026-01-01+00,2026-01-02+00)'", "'[2026-01-01+00,2026-01-02+00]'", D, "tstzrange"),
    Case("canonical range", "'[1,3)'", "'[1,2]'", S, "int4range"),
    Case("multirange", "'{[1,3),[7,8)}'", "'{[1,3),[7,9)}'", D, "int4multirange"),
    Case("scale in a domain", "1.0", "1.00", D, "public.price"),
    Case("text in a domain", "'a'", "'a '", D, "public.words"),
    Case("composite", "ROW('a', 1.0, 1)", "ROW('a', 1.0, 1)", S, "public.pair"),
    Case("scale in a composite", "ROW('a', 1.0, 1)", "ROW('a', 1.00, 1)", D, "public.pair"),
    Case("composite of nulls against null", "ROW(NULL, NULL, NULL)", "NULL", D, "public.pair"),
    Case("separator in a composite", "ROW('a,', 1, 1)", "ROW('a', 1, 1)", D, "public.pair"),
    Case("a type of our own called date", "ROW('a')", "ROW('b')", D, "public.date"),
    Case("host with and without mask", "'10.0.0.1'", "'10.0.0.1/32'", S, "inet"),
    Case("network bits", "'10.0.0.1/24'", "'10.0.0.1/25'", D, "inet"),
    Case("length of bits", "'101'", "'1010'", D, "varbit"),
    Case("money", "'$1.00'", "'$1.01'", D, "money"),
    Case("point", "'(0,1)'", "'(-0,1)'", D, "point"),
    Case("tsvector", "'a:1 b:2'", "'a:1 b:3'", D, "tsvector"),
    Case("uuid", "'00000000-0000-4000-8000-000000000001'", "'00000000-0000-4000-8000-000000000001'", S, "uuid"),
    Case("true against false", "true", "false", D, "boolean"),
    Case("last byte of a megabyte", "convert_to(repeat('x', 1000000) || 'a', 'UTF8')",
         "convert_to(repeat('x', 1000000) || 'b', 'UTF8')", D, "bytea"),
    Case("middle byte of a long text", BIG.format("a"), BIG.format("b"), D),
    Case("the same bytes", "'\\xdeadbeef'", "'\\xdeadbeef'", S, "bytea"),
    Case("case of citext", "'a'", "'A'", D, "public.citext", debian=True),
    Case("case under a collation that ignores it", "'a'", "'A'", D, "text COLLATE public.nocase", debian=True),
    Case("the same under two collations", "'ä'", "'ä'", S, "text COLLATE public.nocase", debian=True),
]  # fmt: skip


# Tables that are more than one value: statements for blue, for green, and what is different, by key.
@dataclass(frozen=True)
class Shape:
    name: str
    blue: str
    green: str
    found: frozenset[tuple[str, str]] = frozenset()

    @property
    def table(self) -> str:
        return self.blue.split("CREATE TABLE ")[1].split(" (")[0]


SHAPES = [
    Shape("value moves to the next column",
          "CREATE TABLE public.moved (id int PRIMARY KEY, a text, b text); INSERT INTO public.moved VALUES (1, 'x', NULL)",
          "CREATE TABLE public.moved (id int PRIMARY KEY, a text, b text); INSERT INTO public.moved VALUES (1, NULL, 'x')",
          frozenset({("1", "different")})),
    Shape("separators inside values",
          "CREATE TABLE public.split (id int PRIMARY KEY, a text, b text); INSERT INTO public.split VALUES (1, 'a|b', 'c')",
          "CREATE TABLE public.split (id int PRIMARY KEY, a text, b text); INSERT INTO public.split VALUES (1, 'a', 'b|c')",
          frozenset({("1", "different")})),
    Shape("values exchanged between two rows",
          "CREATE TABLE public.exchanged (id int PRIMARY KEY, a text); INSERT INTO public.exchanged VALUES (1, 'x'), (2, 'y')",
          "CREATE TABLE public.exchanged (id int PRIMARY KEY, a text); INSERT INTO public.exchanged VALUES (1, 'y'), (2, 'x')",
          frozenset({("1", "different"), ("2", "different")})),
    Shape("plus one and minus one",
          "CREATE TABLE public.sums (id int PRIMARY KEY, n bigint); INSERT INTO public.sums VALUES (1, 5), (2, 5)",
          "CREATE TABLE public.sums (id int PRIMARY KEY, n bigint); INSERT INTO public.sums VALUES (1, 6), (2, 4)",
          frozenset({("1", "different"), ("2", "different")})),
    Shape("column order and a dropped column",
          "CREATE TABLE public.ordered (id int PRIMARY KEY, a text, b int); INSERT INTO public.ordered VALUES (1, 'x', 2)",
          """CREATE TABLE public.ordered (gone int, b int, a text, id int PRIMARY KEY);
             ALTER TABLE public.ordered DROP COLUMN gone; INSERT INTO public.ordered (id, a, b) VALUES (1, 'x', 2)"""),
    Shape("generated column",
          """CREATE TABLE public.generated (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED);
             INSERT INTO public.generated VALUES (1, 4)""",
          """CREATE TABLE public.generated (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED);
             INSERT INTO public.generated VALUES (1, 4)"""),
    Shape("text key under another collation",
          """CREATE TABLE public.collated (id text COLLATE "POSIX" PRIMARY KEY, n int);
             INSERT INTO public.collated SELECT i || 'Ä', i FROM generate_series(1, 300) i""",
          """CREATE TABLE public.collated (id text COLLATE "C.utf8" PRIMARY KEY, n int);
             INSERT INTO public.collated SELECT i || 'Ä', i FROM generate_series(1, 300) i;
             UPDATE public.collated SET n = 0 WHERE id = '7Ä'""",
          frozenset({("7Ä", "different")})),
    Shape("composite key and quoted names",
          """CREATE TABLE public."50%s ""odd"" % name" ("the % Key" int, "b'" text, v text, PRIMARY KEY ("b'", "the % Key"));
             INSERT INTO public."50%s ""odd"" % name" SELECT i, 'it''s ' || i, '%' FROM generate_series(1, 50) i""",
          """CREATE TABLE public."50%s ""odd"" % name" ("the % Key" int, "b'" text, v text, PRIMARY KEY ("b'", "the % Key"));
             INSERT INTO public."50%s ""odd"" % name" SELECT i, 'it''s ' || i, '%' FROM generate_series(1, 49) i""",
          frozenset({("it's 50, 50", "missing")})),
    Shape("empty on both sides", "CREATE TABLE public.nothing (id int PRIMARY KEY)",
          "CREATE TABLE public.nothing (id int PRIMARY KEY)"),
    Shape("no columns at all", "CREATE TABLE public.bare (); INSERT INTO public.bare DEFAULT VALUES",
          "CREATE TABLE public.bare (); INSERT INTO public.bare DEFAULT VALUES"),
    Shape("a key of extremes",
          """CREATE TABLE public.extremes (id bigint PRIMARY KEY, t text);
             INSERT INTO public.extremes VALUES (-9223372036854775808, 'a'), (0, 'b'), (-1, 'c'), (9223372036854775807, 'd')""",
          """CREATE TABLE public.extremes (id bigint PRIMARY KEY, t text);
             INSERT INTO public.extremes VALUES (-9223372036854775808, 'a'), (0, 'b'), (-1, 'x'), (9223372036854775807, 'd')""",
          frozenset({("-1", "different")})),
    Shape("keys around zero",
          """CREATE TABLE public.around (id int PRIMARY KEY, t text);
             INSERT INTO public.around SELECT i, 't' FROM generate_series(-700, 700) i""",
          """CREATE TABLE public.around (id int PRIMARY KEY, t text);
             INSERT INTO public.around SELECT i, CASE WHEN i IN (-700, -64, -1, 0, 63, 64, 700) THEN 'u' ELSE 't' END
               FROM generate_series(-701, 700) i WHERE i <> 5""",
          frozenset({*((str(i), "different") for i in (-700, -64, -1, 0, 63, 64, 700)),
                     ("-701", "extra"), ("5", "missing")})),
    Shape("a unique key that is not the primary one",
          "CREATE TABLE public.uniquely (a int NOT NULL UNIQUE, t text); INSERT INTO public.uniquely VALUES (1, 'x')",
          "CREATE TABLE public.uniquely (a int NOT NULL UNIQUE, t text); INSERT INTO public.uniquely VALUES (1, 'y')",
          frozenset({("1", "different")})),
    Shape("a key that includes more",
          """CREATE TABLE public.including (a int, t text, PRIMARY KEY (a) INCLUDE (t));
             INSERT INTO public.including VALUES (1, 'x')""",
          """CREATE TABLE public.including (a int, t text, PRIMARY KEY (a) INCLUDE (t));
             INSERT INTO public.including VALUES (1, 'y')""",
          frozenset({("1", "different")})),
    Shape("partitioned against plain",
          """CREATE TABLE public.parted (id int PRIMARY KEY, t text) PARTITION BY RANGE (id);
             CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (500);
             CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (500) TO (2000);
             INSERT INTO public.parted SELECT i, 't' || i FROM generate_series(1, 1000) i""",
          """CREATE TABLE public.parted (id int PRIMARY KEY, t text);
             INSERT INTO public.parted SELECT i, CASE i WHEN 501 THEN 'x' ELSE 't' || i END FROM generate_series(1, 1000) i""",
          frozenset({("501", "different")})),
    Shape("another partition layout",
          """CREATE TABLE public.tree (id int, kind text, t text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
             CREATE TABLE public.tree_a PARTITION OF public.tree FOR VALUES IN ('a');
             CREATE TABLE public.tree_b PARTITION OF public.tree DEFAULT;
             INSERT INTO public.tree SELECT i, chr(97 + i % 3), 't' || i FROM generate_series(1, 300) i""",
          """CREATE TABLE public.tree (kind text, id int, t text, PRIMARY KEY (id, kind)) PARTITION BY HASH (id);
             CREATE TABLE public.tree_0 PARTITION OF public.tree FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE public.tree_b PARTITION OF public.tree FOR VALUES WITH (MODULUS 2, REMAINDER 1);
             INSERT INTO public.tree (id, kind, t) SELECT i, chr(97 + i % 3), 't' || i FROM generate_series(1, 299) i""",
          frozenset({("300, a", "missing")})),
]  # fmt: skip
