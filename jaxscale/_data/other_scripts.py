"""Headers in Chinese, Japanese, Korean and Russian, written with the English words that the matcher of names knows."""

import re
from functools import lru_cache

UNKNOWN = "untranslated"  # stands for letters of another script that no entry has: such a name is taken for nothing

# By what each is written as: " " for particles. Longer entries go first, so that 学习率 is no training.
_WRITTEN = {
    "params": "参数量 參數量 参数规模 参数总量 参数个数 参数数量 参数 參數 パラメータ パラメーター 매개변수 파라미터",
    "non emb": "非嵌入 非埋め込み 비임베딩",
    "emb": "词嵌入 嵌入 埋め込み 임베딩",
    "model": "模型 モデル 모델",
    "size": "大小 规模 尺寸 サイズ 크기",
    "active": "激活 活跃 アクティブ 활성",
    "total": "总 總 総 合計 총",
    "trainable": "可训练",
    "tokens": "令牌 词元 詞元 トークン 토큰",
    "data": "数据 數據 データ 데이터",
    "train": "预训练 預訓練 训练 訓練 事前学習 学習 사전학습 사전훈련 학습 훈련",
    "eval": "验证 驗證 测试 測試 评估 検証 評価 テスト 검증 평가 테스트",
    "set": "集",
    "flops": "浮点运算次数 浮点运算数 浮点运算量 浮点运算",
    "compute": "计算量 計算量 运算量 算力 연산량 계산량",
    "cross entropy": "交叉熵 交差エントロピー 교차엔트로피",
    "perplexity": "困惑度 パープレキシティ 퍼플렉시티",
    "loss": "损失 損失 ロス 손실",
    "final": "最终 最終 최종",
    "best": "最佳",
    "avg": "平均 평균",
    "unique": "去重 唯一",
    "batch size": "批大小 批次大小 批量大小 バッチサイズ",
    "seq length": "序列长度 序列長度 シーケンス長",
    "seen": "已见 累计",
    "count": "数量 总数 個数 个数 数 數 수 개수",
    "step": "步数 步數 迭代次数 ステップ 스텝",
    "run": "实验 實驗 運行 运行 実験 실험",
    "name": "名称 名稱 名前 名 이름",
    "lr": "学习率 學習率 学習率 학습률",
    "weight": "权重 重み 가중치",
    "per": "每",
    "second": "秒 초",
    "millions": "百万 百萬 백만",
    "1e4": "万 萬 만",
    "1e7": "千万 千萬 천만",
    "1e8": "亿 億 억",
    "billions": "十亿 十億 십억",
    "1e10": "百亿 百億 백억",
    "trillions": "万亿 萬億",
    " ": "的 の 个 個 量",
}
# Words of Russian and Ukrainian, whole as they stand.
_RUSSIAN = {
    "params": "параметры параметров параметр параметри параметрів",
    "n": "число количество кол кількість",
    "size": "размер розмір",
    "model": "модель модели моделі",
    "tokens": "токены токенов токен токени токенів",
    "train": "обучение обучения обучающая обучающих навчання",
    "eval": "валидация валидации валидационная валидационные тест тестовая тестовые валідація",
    "loss": "потери потеря лосс втрати",
    "flops": "флоп флопс флопы",
    "total": "всего общее",
    "final": "финальная финальные итоговая итоговые конечная",
    "thousands": "тыс тысяч",
    "millions": "млн миллионов миллионы мільйонів",
    "billions": "млрд миллиардов миллиарды мільярдів",
    "trillions": "трлн триллионов триллионы",
    "on the": "на",
}
_SAME = {word: written for written, words in _WRITTEN.items() for word in words.split()}
_SAME |= {word: written for written, words in _RUSSIAN.items() for word in words.split()}
_CYRILLIC, _EAST_ASIAN = r"[\u0400-\u052f]+", r"\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff"
_KNOWN = "|".join(sorted(map(re.escape, " ".join(_WRITTEN.values()).split()), key=len, reverse=True))
_LETTERS = re.compile(rf"{_CYRILLIC}|{_KNOWN}|[{_EAST_ASIAN}]")
_FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20, 0x3010: 0x28, 0x3011: 0x29, 0x30FB: 0x20}


@lru_cache(4096)
def in_english(name: str) -> str:
    """The name with its East Asian and Cyrillic words in English, each a word of its own; UNKNOWN for those that no
    entry has, so that "每步token数" is no count of tokens because a part of it is. Other names stay as they are."""
    if name.isascii():
        return name
    return _LETTERS.sub(lambda found: f" {_SAME.get(found[0].lower(), UNKNOWN)} ", name.translate(_FULL_WIDTH))
