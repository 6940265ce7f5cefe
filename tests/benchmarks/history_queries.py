"""What is searched for in the long history: words, prefixes, phrases, scripts without spaces, names in code, and what is hard."""

from typing import Final

QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "common words": ("the ", "is ", "file ", "python ", "the file ", "of and to "),
    "rare words": ("zyzzyva ", "petrichor ", "apricity ", "the petrichor ", "of in is zyzzyva "),
    "nothing": ("qqqzzz ", "xylophagous ", "the qqqzzz "),
    "a word while it is typed": (
        *("th", "the", "thes", "these", "re", "ret", "retu", "return", "in", "co", "de", "con", "that", "with", "this"),
        *("pe", "petri", "st", "str", "strin", "the st", "return the s", "zyz", "un", "get*"),
    ),
    "phrases": (
        *('"of the"', '"the file"', '"in the same"', '"return the inter', '"is not a"', '"to be or not to be"'),
        *('"the of the and"', '"and the of to"', '"it is the the"', '"all of the st'),
    ),
    "scripts without spaces": (
        "的",
        "数",
        "京",
        "数据",
        "数据库",
        "服务器请求",
        "検索",
        "東京 検索",
        "使い方",
        "学",
        "학교",
        "한국어",
        "中国 天气",
    ),
    "names in code": (
        *(
            "getattr",
            "attr",
            "makeRow123",
            "Row12",
            "row",
            "item_42",
            "item_4",
            "os.path",
            "sinstanc",
            "self.",
            "_init",
        ),
        *("startswith", "tswit", "error", "Row777777", "ef"),
    ),
    "accents and case": ("VERBINDUNG", "schlussel", "eleve", "große", "œuvre", "deja", "Kündigung"),
    "hard": (
        *("a", "x", "e", "a e i o", "s t", "the t", "🎉", "1", "the the the", "and or not near"),
        "return the value of the file and then close it if there is an error in the call to open or read " * 4,
    ),
}
