"""Headers in other scripts and languages mean what their words mean, and nothing where a word is not known."""

import pytest

from jaxscale._data.checkpoints import STEP, reads
from jaxscale._data.names import meaning_of
from jaxscale._data.other_scripts import UNKNOWN, in_english


@pytest.mark.parametrize(
    ("name", "symbol", "factor"),
    [
        ("参数量 (B)", "N", 1e9),
        ("参数量（百万）", "N", 1e6),
        ("模型参数数量", "N", None),
        ("非嵌入参数", "N", None),
        ("パラメータ数", "N", None),
        ("매개변수 수", "N", None),
        ("Размер модели, млн", "N", 1e6),
        ("число параметров (млрд)", "N", 1e9),
        ("Parámetros (millones)", "N", 1e6),
        ("Parámetros (mil millones)", "N", 1e9),
        ("Parametri (mln)", "N", 1e6),
        ("Parameter (Milliarden)", "N", 1e9),
        ("arch_params_count", "N", None),
        ("训练token数 (十亿)", "D", 1e9),
        ("训练词元数（亿）", "D", 1e8),
        ("学習トークン数", "D", None),
        ("학습 토큰 수", "D", None),
        ("токены, млрд", "D", 1e9),
        ("计算量 (FLOPs)", "C", None),
        ("総計算量", "C", None),
        ("Rechenaufwand (FLOP)", "C", None),
        ("验证损失", "loss", None),
        ("驗證損失", "loss", None),
        ("検証損失", "loss", None),
        ("검증 손실", "loss", None),
        ("потери (валидация)", "loss", None),
        ("validate_loss", "loss", None),
        ("loss_at_100pct", "loss", None),
    ],
)
def test_names_in_other_languages(name: str, symbol: str, factor: float | None) -> None:
    found = meaning_of(name)
    assert found is not None
    assert (found.symbol, found.factor) == (symbol, factor)


@pytest.mark.parametrize(
    "name",
    [
        "每步token数",
        "每秒tokens",
        "每参数token数",
        "词表token数",
        "嵌入参数",
        "参数学习率",
        "损失权重",
        "损失系数",
        "バッチトークン数",
        "損失の重み",
        "토큰/초",
        "токенов в секунду",
        "параметры оптимизатора",
        "loss_at_10pct",
        "early_val_loss",
    ],
)
def test_names_with_a_word_that_makes_them_something_else_are_nothing(name: str) -> None:
    assert meaning_of(name) is None


def test_a_training_loss_ranks_behind_one_of_the_validation_in_any_script() -> None:
    for train, validation in (("训练损失", "验证损失"), ("訓練損失", "検証損失"), ("훈련 손실", "검증 손실")):
        assert meaning_of(train).rank > meaning_of(validation).rank  # type: ignore[union-attr]


def test_latin_names_stay_and_unknown_letters_are_marked() -> None:
    assert in_english("Paramètres (Md)") == "Paramètres (Md)"
    assert in_english("α_params") == "α_params"
    assert in_english("ＬＯＳＳ") == "LOSS"
    assert in_english("층").split() == [UNKNOWN]
    assert reads(STEP, "步数")
