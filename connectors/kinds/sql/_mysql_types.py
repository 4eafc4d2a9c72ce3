"""MariaDB and MySQL types, as the catalogue names them and as a result describes them."""

from typing import Any

from pymysql.constants import FIELD_TYPE, FLAG

from connectors.kinds.sql._column import Column

KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"), "int"),
    **dict.fromkeys(("decimal",), "decimal"),
    **dict.fromkeys(("float", "double"), "float"),
    "date": "date",
    "time": "time",
    "datetime": "datetime",
    "timestamp": "instant",
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry"), "bytes"),
    "json": "json",
    "uuid": "uuid",
}
SIZES = {"tinyint": 16, "smallint": 16, "year": 16, "mediumint": 32, "int": 32, "float": 32, "double": 64}
WIRE = {
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.INT24: "mediumint",
    FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.BIT: "bit",
    FIELD_TYPE.DECIMAL: "decimal",
    FIELD_TYPE.NEWDECIMAL: "decimal",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.GEOMETRY: "geometry",
}
BINARY_CHARSET = 63


def column_of(
    name: str,
    native: str,
    data: str,
    unsigned: bool,
    size: int | None,
    scale: int | None,
    nullable: bool,
    generated: bool,
    filled: bool = False,
    collation: str = "",
) -> Column:
    """A column by its declared type `native` and the type's bare name `data`."""
    kind = KINDS.get(data, "other")
    if kind == "int":
        size, scale = (64 if data in ("bigint", "bit") or (data == "int" and unsigned) else SIZES[data]), None
        if data == "bigint" and unsigned:
            # Half of its values are beyond every other database's bigint.
            kind, size, scale = "decimal", 20, 0
    elif kind == "float":
        size, scale = SIZES[data], None
    elif kind in ("text", "bytes"):
        scale = None
    return Column(name, native, kind, size, scale, nullable, generated, "mysql", filled, collation)


def column_of_result(field: Any) -> Column:
    """A column of a result; its native type is spelled as a table would declare it."""
    binary, unsigned = field.charsetnr == BINARY_CHARSET, bool(field.flags & FLAG.UNSIGNED)
    data = WIRE.get(field.type_code) or ("longblob" if binary else "longtext")
    size: int | None = None
    scale: int | None = None
    native = data + (" unsigned" if unsigned and KINDS[data] == "int" else "")
    if data == "decimal":
        size, scale = field.length - (0 if unsigned else 1) - (1 if field.scale else 0), field.scale
        native = f"decimal({size},{scale})"
    elif data in ("time", "datetime", "timestamp"):
        scale = min(field.scale, 6)
        native = f"{data}({scale})"
    return column_of(field.name, native, data, unsigned, size, scale, True, False)


def type_for(column: Column, in_key: bool) -> str:
    """The type in which a column, of whatever database, is kept; the dialect's module has the table."""
    exact = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    if column.dialect == "mysql" and column.type:
        if column.collation:
            return f"{column.type} COLLATE {column.collation}"
        # A database's default may have no room for all texts.
        return f"{column.type} {exact}" if column.kind == "text" else column.type
    digits = 6 if column.scale is None else min(column.scale, 6)
    if column.kind == "decimal":
        return f"DECIMAL({min(column.size or 65, 65)},{30 if column.size is None else column.scale or 0})"
    if column.kind in ("text", "other"):
        short = column.size if column.size and column.size <= 255 else 255 if in_key else None
        return f"VARCHAR({short}) {exact}" if short else f"LONGTEXT {exact}"
    return {
        "int": {16: "SMALLINT", 32: "INT"}.get(column.size or 64, "BIGINT"),
        "float": "FLOAT" if column.size == 32 else "DOUBLE",
        "bool": "BOOLEAN",
        "date": "DATE",
        "time": f"TIME({digits})",
        "datetime": f"DATETIME({digits})",
        "instant": f"TIMESTAMP({digits})",
        "json": "JSON",
        "uuid": f"CHAR(36) {exact}",
        "bytes": "VARBINARY(255)" if in_key else "LONGBLOB",
    }[column.kind]
