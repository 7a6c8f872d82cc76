"""The few words of the demo's screen in both languages; quantities, units and codes are never translated."""

from __future__ import annotations

from typing import Final

ZH: Final = {
    "device": "设备",
    "quantity": "量",
    "value": "数值",
    "unit": "单位",
    "age": "距今",
    "quality": "质量",
    "no reading yet": "尚无读数",
    "as the collector verified them": "由平台验证后的读数",
    "sealed": "已封块",
    "verified": "已验证",
    "receipted": "已回执",
    "pending": "待发",
    "readings": "读数",
    "bytes a reading": "字节/读数",
    "Ctrl-C ends it": "按 Ctrl-C 结束",
    "broker killed": "已强制终止代理服务器",
    "agent killed": "已强制终止网关程序",
    "adapter pulled": "已拔下串口适配器",
    "running": "运行中",
    "embedded archive, no broker": "本地存档，无代理服务器",
}


def words(*, chinese: bool) -> dict[str, str]:
    """Give every word of the screen, by its English form."""
    return dict(ZH) if chinese else {english: english for english in ZH}
