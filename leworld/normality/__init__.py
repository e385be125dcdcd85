"""How far samples are from a standard Gaussian: univariate and multivariate statistics, and slicing.

A statistic is mathematics with a null distribution: it says what value standard-normal samples give on
average and how often they exceed a value. A univariate one judges each coordinate alone, `sliced_statistic`
lifts it to many dimensions, a multivariate one compares all samples in all dimensions at once. What a
training run makes of them (fresh directions, scale, ranks) lives in `leworld.regularizers`.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._anderson_darling import AndersonDarling as AndersonDarling
from ._bhep import BHEP as BHEP
from ._bhep import HenzeZirkler as HenzeZirkler
from ._bhep_m import BHEPM as BHEPM
from ._comb import COMB as COMB
from ._cramer_von_mises import CramerVonMises as CramerVonMises
from ._energy import EnergyDistance as EnergyDistance
from ._epps_pulley import EppsPulley as EppsPulley
from ._henze_visagie import HenzeVisagie as HenzeVisagie
from ._jarque_bera import ExtendedJarqueBera as ExtendedJarqueBera
from ._jarque_bera import JarqueBera as JarqueBera
from ._moments import Moments as Moments
from ._multivariate import MultivariateStatistic as MultivariateStatistic
from ._order_likelihood import OrderStatisticLikelihood as OrderStatisticLikelihood
from ._quadratures import GaussHermiteEppsPulley as GaussHermiteEppsPulley
from ._quadratures import SimpsonEppsPulley as SimpsonEppsPulley
from ._shapiro import ShapiroFrancia as ShapiroFrancia
from ._shapiro import ShapiroWilk as ShapiroWilk
from ._slicing import sliced_statistic as sliced_statistic
from ._statistic import UnivariateStatistic as UnivariateStatistic
from ._vasicek import VasicekEntropy as VasicekEntropy
from ._watson import Watson as Watson

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
