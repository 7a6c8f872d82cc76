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


_CLOSING: Final = {
    "devices": (
        "devices   {heard} of {living} living ones verified",
        "设备      {living} 台在线设备中 {heard} 台已验证",
    ),
    "silent": ("; silent: {names}", "；无数据：{names}"),
    "readings": (
        "readings  {committed} committed, {arrived} arrived, {lost} lost, {twice} twice",
        "读数      已提交 {committed}，已到达 {arrived}，丢失 {lost}，重复 {twice}",
    ),
    "blocks": (
        "blocks    {verified} verified, {receipted} receipted, {refused} refused",
        "数据块    已验证 {verified}，已回执 {receipted}，被拒 {refused}",
    ),
    "embedded": (" (embedded archive: nobody receipts)", "（本地存档：没有回执方）"),
    "values": (
        "values    {equal} as the devices told them, {wrong} wrong",
        "数值      {equal} 个与设备所报一致，{wrong} 个有误",
    ),
    "wrong": ("wrong     {what}", "有误      {what}"),
    "proven": ("chain     proven from the genesis to the last block", "链        从首块到末块均已证明"),
    "unproven": ("chain     NOT proven", "链        未能证明"),
    "storm": ("storm     {what}", "扰动      {what}"),
    "adapter": (
        "adapter   {back} of {all} devices read again after it was put back",
        "适配器    重新插上后 {all} 台设备中 {back} 台恢复读数",
    ),
    "ok": ("seed      {seed}   ok", "种子      {seed}   通过"),
    "not ok": ("seed      {seed}   NOT ok", "种子      {seed}   未通过"),
}


def closing(*, chinese: bool) -> dict[str, str]:
    """Give the sentences of the summary, fields as ``{name}``, by their key."""
    return {key: texts[chinese] for key, texts in _CLOSING.items()}
