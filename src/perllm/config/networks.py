"""Published energies of one bit on its way, by name: what one more bit costs, and what a bit costs on average."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from perllm.domain.server import Coefficient


class Network(StrEnum):
    """What `link.network` may name."""

    WIRED_MARGINAL = "wired-marginal"
    FIXED_AVERAGE = "fixed-average"
    FIXED_AVERAGE_2015 = "fixed-average-2015"
    MOBILE_AVERAGE = "mobile-average"
    WEB_AVERAGE = "web-average"
    BASE_STATION_4G = "4g-base-station"
    BASE_STATION_5G = "5g-base-station"
    WIFI = "wifi"
    WIFI_PHONE = "wifi-phone"
    LTE_PHONE = "lte-phone"


class BitEnergy(NamedTuple):
    """Energy of one bit: a marginal one counts what more traffic draws, an average one shares out all that is drawn."""

    nj_per_bit: float
    coefficient: Coefficient
    source: str


_MARGINAL: Final = Coefficient.MARGINAL
_AVERAGE: Final = Coefficient.AVERAGE

# 1 kWh/GB = 450,000 nJ/bit; 1 W per Mbit/s = 1,000 nJ/bit.
NETWORKS: Final = {
    Network.WIRED_MARGINAL: BitEnergy(30.0, _MARGINAL, "0.03 W per Mbit/s: Scope3 methodology, after Malmodin"),
    Network.FIXED_AVERAGE: BitEnergy(13_500.0, _AVERAGE, "0.03 kWh/GB: European study of 2020, fixed networks"),
    Network.FIXED_AVERAGE_2015: BitEnergy(27_000.0, _AVERAGE, "0.06 kWh/GB in 2015: Aslan et al. 2018"),
    Network.MOBILE_AVERAGE: BitEnergy(63_000.0, _AVERAGE, "0.14 kWh/GB: European study of 2020, mobile networks"),
    Network.WEB_AVERAGE: BitEnergy(26_600.0, _AVERAGE, "0.059 kWh/GB: Sustainable Web Design model 4, network part"),
    Network.BASE_STATION_4G: BitEnergy(47_000.0, _AVERAGE, "0.104 kWh/GB: industry figure, restated online"),
    Network.BASE_STATION_5G: BitEnergy(4_700.0, _AVERAGE, "0.0104 kWh/GB: industry figure, restated online"),
    Network.WIFI: BitEnergy(200.0, _MARGINAL, "100-300 nJ/bit: LEAF's example of an access point"),
    Network.WIFI_PHONE: BitEnergy(283.0, _MARGINAL, "283 mW per Mbit/s sent: Huang et al., MobiSys 2012, recalled"),
    Network.LTE_PHONE: BitEnergy(438.0, _MARGINAL, "438 mW per Mbit/s sent: Huang et al., MobiSys 2012, recalled"),
}
