"""Texts for a long history: many, quickly, alike to what people keep, and the same on every run.

English comes from the words of Python's own documentation strings, as often as they stand there, and code from its own
source files; so the words follow the law that real ones do. German, French, Chinese, Japanese and Korean are put together from lists.
"""

import io
import itertools
import random
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SENTENCES: Final = 30_000  # in the pool that messages are made of
CODES: Final = 4_000
SOURCES: Final = 400  # files that are read for them

_GERMAN: Final = (
    "der die das und ist nicht ein eine zu in mit auf für von dem den im sich auch wird sind aus bei nach wie über"
    " Datenbank Verbindung Größe Schlüssel Änderung Gespräch Straße Übersicht Kündigung Vertrag Rechnung Anfrage Lösung"
    " möchte könnte müssen prüfen löschen speichern suchen finden öffnen schließen erklären übersetzen Beispiel Fehler"
    " Zeile Datei Ordner Programm Schnittstelle Geschwindigkeit Mietwohnung Wohnungskündigung Kaufvertrag Steuererklärung"
)
_FRENCH: Final = (
    "le la les et est pas un une de à en avec sur pour que qui dans se aussi sont du par comme plus ce cette mais"
    " base données connexion clé réponse château élève été déjà français problème requête système créer écrire chercher"
    " trouver ouvrir fermer expliquer traduire exemple erreur ligne fichier dossier logiciel développement œuvre garçon"
)
_CHINESE: Final = (
    "的 了 是 我 你 他 在 有 不 这 个 和 就 人 都 一 上 也 到 说 要 会 对 能 没 问题 数据 数据库 程序 编程 使用 用户 文件 代码"
    " 函数 如何 什么 可以 我们 他们 因为 所以 但是 如果 时候 中国 北京 天气 今天 明天 学习 工作 电脑 网络 搜索 引擎 模型 语言"
    " 翻译 解释 例子 错误 测试 服务器 请求 回答 谢谢 请 帮 写 看 读 改 新 大 小 多 少 好 时间 东西 方法 结果 开始 结束"
)
_JAPANESE: Final = (
    "です ます は が を に で と も の から まで この その 検索 東京 日本語 データベース プログラム 関数 使い方 ください"
    " 教えて エラー ファイル 言語 翻訳 質問 例 コード テスト サーバー 今日 明日 天気 勉強 仕事"
)
_KOREAN: Final = "안녕하세요 검색 한국어 데이터베이스 프로그램 함수 사용 방법 알려 주세요 오류 파일 언어 번역 질문 예제 서버 오늘 내일 학교에서 공부"
_RARE: Final = "zyzzyva quokka borborygmus sesquipedalian defenestration petrichor apricity"
_WORD: Final = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_ODD: Final = {"test", "tests", "site-packages", "encodings", "idlelib", "lib2to3", "turtledemo"}


class Texts:
    """A pool of sentences and code, and messages made of it by a random generator of its own."""

    def __init__(self, seed: int = 5) -> None:
        self.random = random.Random(seed)
        prose, self._codes = _python(self.random)
        words = _WORD.findall(prose)
        self._sentences = [self._sentence(words) for _ in range(SENTENCES)]
        self._foreign = [
            [self._put_together(words.split(), gap, stop) for _ in range(3_000)]
            for words, gap, stop in (
                (_GERMAN, " ", "."),
                (_FRENCH, " ", "."),
                (_CHINESE, "", "。"),
                (_JAPANESE, "", "。"),
                (_KOREAN, " ", "."),
            )
        ]
        self._numbers = itertools.count()

    def _sentence(self, words: list[str]) -> str:
        """Runs of what was written, so that phrases come again as well."""
        taken: list[str] = []
        for _ in range(self.random.randint(2, 4)):
            start = self.random.randrange(len(words) - 9)
            taken += words[start : start + self.random.randint(2, 8)]
        return " ".join(taken).capitalize() + self.random.choice(".....?!:")

    def _put_together(self, words: list[str], gap: str, stop: str) -> str:
        return gap.join(self.random.choices(words, k=self.random.randint(5, 14))) + stop

    def prompt(self) -> str:
        """A prompt: a sentence or two, one in eight not English."""
        return self._prose(self.random.choice((1, 1, 1, 2, 2, 4)))

    def reply(self) -> str:
        """A reply: some sentences, one in four with code; a name or a number of its own in each."""
        number, rare = next(self._numbers), _RARE.split()
        parts = [self._prose(self.random.choice((2, 3, 4, 6, 9)))]
        if self.random.random() < 0.25:
            parts.append(f"```python\n{self.random.choice(self._codes)}\n```")
        if self.random.random() < 0.3:
            parts.append(
                f"See `{self.random.choice(('get', 'set', 'load', 'make'))}Row{number}` and item_{number % 5_000}."
            )
        if number % 20_011 == 7:
            parts.append(f"A rare word is {rare[number // 20_011 % len(rare)]}.")
        return "\n\n".join(parts)

    def _prose(self, count: int) -> str:
        pool = self._sentences if self.random.random() > 0.12 else self.random.choice(self._foreign)
        start = self.random.randrange(len(pool))
        chosen = [pool[(start + step * 7_919) % len(pool)] for step in range(count)]
        return " ".join(chosen)


def _python(chance: random.Random) -> tuple[str, list[str]]:
    """The documentation strings and comments of Python's own library, and pieces of its code."""
    files = sorted(Path(random.__file__).parent.glob("*.py")) + sorted(Path(random.__file__).parent.glob("*/*.py"))
    prose, codes = [], []
    for file in [path for path in files if not _ODD & set(path.parts)][:SOURCES]:
        source = file.read_text(encoding="utf-8", errors="replace")
        prose += list(_prose_of(source))
        lines = source.splitlines()
        for _ in range(CODES // SOURCES):
            start = chance.randrange(max(1, len(lines) - 12))
            codes.append("\n".join(lines[start : start + chance.randint(3, 12)]))
    return " ".join(prose), codes


def _prose_of(source: str) -> Iterator[str]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""')):
                yield token.string
    except (tokenize.TokenError, SyntaxError):
        return
