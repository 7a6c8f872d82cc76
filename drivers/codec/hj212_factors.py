"""Codes of what is monitored (HJ 212-2017 annex B, tables B.1 and B.2; from HJ 525-2009 and HJ 524-2009).

Names, units and decimals are those of the standard. The table may be extended by whoever runs a platform, so an
unknown code is no error anywhere. Where the standard prints a unit that the field does not keep to (particulates in
ambient air stand in ng/m3 there, platforms want ug/m3 or mg/m3), none is given here: the two ends have to agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

CODE: Final = re.compile(r"[A-Za-z0-9]{3,10}")
WATER_FLOW: Final = "w00000"
GAS_FLOW: Final = "a00000"


class Medium(Enum):
    """What carries a pollutant: rules of annex C and D differ."""

    WATER = "water"
    GAS = "gas"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One code.

    Attributes:
        name, name_zh: what is monitored, in English and in the words of the standard.
        unit: UCUM code of ``Rtd``, ``Min``, ``Avg`` and ``Max``; empty where both ends have to agree on one.
        decimals: places behind the point that the standard gives it.
    """

    code: str
    name: str
    name_zh: str
    unit: str
    decimals: int

    @property
    def medium(self) -> Medium:
        """Whether it is of water or of gas."""
        return medium_of(self.code)


def medium_of(code: str) -> Medium:
    """Tell by its first letter of what a code is (6.4.1)."""
    return {"w": Medium.WATER, "a": Medium.GAS, "g": Medium.GAS}.get(code[:1], Medium.OTHER)


_ROWS: Final = (
    ("w00000", "waste water flow", "污水", "L/s", 2),
    ("w01001", "pH", "pH 值", "[pH]", 2),
    ("w01006", "total dissolved solids", "溶解性总固体", "mg/L", 0),
    ("w01009", "dissolved oxygen", "溶解氧", "mg/L", 1),
    ("w01010", "water temperature", "水温", "Cel", 1),
    ("w01012", "suspended solids", "悬浮物", "mg/L", 0),
    ("w01014", "conductivity", "电导率", "uS/cm", 1),
    ("w01017", "biochemical oxygen demand (5 days)", "五日生化需氧量", "mg/L", 1),
    ("w01018", "chemical oxygen demand", "化学需氧量", "mg/L", 1),
    ("w01019", "permanganate index", "高锰酸盐指数", "mg/L", 1),
    ("w01020", "total organic carbon", "总有机碳", "mg/L", 1),
    ("w19001", "surfactants", "表面活性剂", "mg/L", 2),
    ("w19002", "anionic surfactants", "阴离子表面活性剂", "mg/L", 2),
    ("w20012", "barium", "钡", "mg/L", 3),
    ("w20023", "boron", "硼", "mg/L", 3),
    ("w20038", "cobalt", "钴", "mg/L", 4),
    ("w20061", "molybdenum", "钼", "mg/L", 4),
    ("w20092", "tin", "锡", "mg/L", 1),
    ("w20111", "total mercury", "总汞", "ug/L", 2),
    ("w20115", "total cadmium", "总镉", "ug/L", 1),
    ("w20116", "total chromium", "总铬", "mg/L", 3),
    ("w20117", "hexavalent chromium", "六价铬", "ug/L", 3),
    ("w20119", "total arsenic", "总砷", "ug/L", 3),
    ("w20120", "total lead", "总铅", "ug/L", 0),
    ("w20121", "total nickel", "总镍", "mg/L", 2),
    ("w20122", "total copper", "总铜", "mg/L", 2),
    ("w20123", "total zinc", "总锌", "mg/L", 3),
    ("w20124", "total manganese", "总锰", "mg/L", 3),
    ("w20125", "total iron", "总铁", "mg/L", 3),
    ("w20126", "total silver", "总银", "mg/L", 3),
    ("w20127", "total beryllium", "总铍", "ug/L", 3),
    ("w20128", "total selenium", "总硒", "ug/L", 2),
    ("w21001", "total nitrogen", "总氮", "mg/L", 2),
    ("w21003", "ammonia nitrogen", "氨氮", "mg/L", 2),
    ("w21004", "Kjeldahl nitrogen", "凯氏氮", "mg/L", 1),
    ("w21006", "nitrite", "亚硝酸盐", "mg/L", 3),
    ("w21007", "nitrate", "硝酸盐", "mg/L", 3),
    ("w21011", "total phosphorus", "总磷", "mg/L", 2),
    ("w21016", "cyanide", "氰化物", "mg/L", 3),
    ("w21017", "fluoride", "氟化物", "mg/L", 2),
    ("w21019", "sulfide", "硫化物", "mg/L", 3),
    ("w21022", "chloride", "氯化物", "mg/L", 1),
    ("w21038", "sulfate", "硫酸盐", "mg/L", 0),
    ("w22001", "petroleum", "石油类", "mg/L", 2),
    ("w23002", "volatile phenols", "挥发酚", "mg/L", 4),
    ("a00000", "waste gas flow", "废气", "m3/s", 1),
    ("a01001", "temperature", "温度", "Cel", 1),
    ("a01002", "humidity", "湿度", "%", 1),
    ("a01006", "air pressure", "气压", "kPa", 3),
    ("a01007", "wind speed", "风速", "m/s", 1),
    ("a01008", "wind direction", "风向", "deg", 0),
    ("a01011", "flue gas velocity", "烟气流速", "m/s", 2),
    ("a01012", "flue gas temperature", "烟气温度", "Cel", 1),
    ("a01013", "flue gas pressure", "烟气压力", "kPa", 3),
    ("a01014", "flue gas humidity", "烟气湿度", "%", 1),
    ("a01016", "duct cross section", "烟道截面积", "m2", 2),
    ("a01017", "flue gas dynamic pressure", "烟气动压", "kPa", 3),
    ("a05001", "carbon dioxide", "二氧化碳", "mg/m3", 3),
    ("a19001", "oxygen content", "氧气含量", "%", 1),
    ("a20043", "lead and its compounds", "铅及其化合物", "mg/m3", 4),
    ("a20057", "mercury and its compounds", "汞及其化合物", "mg/m3", 4),
    ("a21001", "ammonia", "氨（氨气）", "", 3),
    ("a21002", "nitrogen oxides", "氮氧化物", "mg/m3", 1),
    ("a21003", "nitrogen monoxide", "一氧化氮", "mg/m3", 1),
    ("a21004", "nitrogen dioxide", "二氧化氮", "mg/m3", 1),
    ("a21005", "carbon monoxide", "一氧化碳", "mg/m3", 3),
    ("a21017", "cyanides", "氰化物", "mg/m3", 3),
    ("a21018", "fluorides", "氟化物", "mg/m3", 3),
    ("a21022", "chlorine", "氯气", "mg/m3", 3),
    ("a21024", "hydrogen chloride", "氯化氢", "mg/m3", 3),
    ("a21026", "sulfur dioxide", "二氧化硫", "mg/m3", 2),
    ("a21028", "hydrogen sulfide", "硫化氢", "mg/m3", 2),
    ("a24087", "hydrocarbons", "碳氢化合物", "mg/m3", 2),
    ("a24088", "non-methane hydrocarbons", "非甲烷总烃", "mg/m3", 3),
    ("a25002", "benzene", "苯", "mg/m3", 3),
    ("a25003", "toluene", "甲苯", "mg/m3", 2),
    ("a25005", "xylene", "二甲苯", "mg/m3", 2),
    ("a31001", "formaldehyde", "甲醛", "mg/m3", 3),
    ("a34001", "total suspended particulates", "总悬浮颗粒物 TSP", "", 3),
    ("a34002", "inhalable particulates PM10", "可吸入颗粒物 PM10", "", 3),
    ("a34004", "fine particulates PM2.5", "细微颗粒物 PM2.5", "", 3),
    ("a34013", "smoke and dust", "烟尘", "mg/m3", 0),
)
FACTORS: Final = MappingProxyType({
    code: Factor(code=code, name=name, name_zh=name_zh, unit=unit, decimals=decimals)
    for code, name, name_zh, unit, decimals in _ROWS
})  # fmt: skip
"""Code -> what is monitored."""
