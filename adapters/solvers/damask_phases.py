"""Phase definitions for DAMASK: single-crystal elasticity and a plasticity law, with their sources.

The values are those of the example phases that come with DAMASK 3.0.2 (``examples/config/phase``), at 293.15 K, and
every definition cites the papers that DAMASK cites for them; what is not from there is said to be an estimate. Most
plasticity laws are DAMASK's ``phenopowerlaw``: the shear rate of a slip system is ``dot_gamma_0 (|tau| / xi)**n`` and
its resistance grows as ``h_0 |1 - xi / xi_inf|**a`` with the shear of the interacting systems. Parameters are in Pa
and 1/s. They belong to the material state of their source (purity, heat treatment, single crystals or not): a start,
to be fitted to the user's own material.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HP_SLIP_PAIRS, _HP_TWIN_PAIRS = 69, 20

FIELDS = ("F", "P", "F_e", "F_p", "F_i", "L_p", "L_i", "S", "O")
"""Fields of mechanics that DAMASK can store (phase_mechanical.f90)."""

LAW_FIELDS: dict[str, tuple[str, ...]] = {
    "phenopowerlaw": ("xi_sl", "gamma_sl", "xi_tw", "gamma_tw"),
    "isotropic": ("xi",),
    "kinehardening": ("xi", "chi", "chi_flip", "gamma_flip", "gamma", "sgn(gamma)"),
    "nonlocal": (
        "rho_u_ed_pos", "rho_b_ed_pos", "rho_u_ed_neg", "rho_b_ed_neg", "rho_d_ed", "rho_u_sc_pos", "rho_b_sc_pos",
        "rho_u_sc_neg", "rho_b_sc_neg", "rho_d_sc", "rho_f", "v_ed_pos", "v_ed_neg", "v_sc_pos", "v_sc_neg", "gamma",
        "tau_pass",
    ),
}  # fmt: skip
"""Fields of each plasticity law that DAMASK can store."""

_MECHANICAL_USUAL = ("F", "P", "F_e", "F_p", "L_p", "O")
_NONLOCAL_USUAL = ("rho_f", "rho_d_ed", "rho_d_sc", "tau_pass", "gamma")


@dataclass(frozen=True)
class Definition:
    """A phase definition.

    Attributes
    ----------
    name : str
        Name in the library.
    title : str
        Material and state.
    lattice : str
        DAMASK's Bravais lattice: cF, cI, hP or tI.
    elastic : mapping of str to float, Pa
    elastic_source : str
    plastic : mapping of str to float, bool or sequence
        Parameters of the plasticity law; those of slip (or twin) families have one entry per family.
    plastic_source : str
    c_over_a : float or None
    c_over_a_source : str
    aliases : tuple of str
        Further names of the phase, lower case.
    law : str
        ``"phenopowerlaw"``, ``"kinehardening"``, ``"nonlocal"`` or ``"isotropic"``.
    """

    name: str
    title: str
    lattice: str
    elastic: Mapping[str, float]
    elastic_source: str
    plastic: Mapping[str, float | bool | tuple]
    plastic_source: str
    c_over_a: float | None = None
    c_over_a_source: str = ""
    aliases: tuple[str, ...] = ()
    law: str = "phenopowerlaw"

    def yaml(self, output: str | Sequence[str] | None = None) -> str:
        """Return the definition as lines of YAML, each value below the comment that says where it is from.

        Parameters
        ----------
        output : str or sequence of str, optional
            Fields that DAMASK stores, F and P always; by default all mechanical ones and the law's most useful.

        Raises
        ------
        ValueError
            If a field is none of :data:`FIELDS` and not of the law.
        """
        mechanical, plastic = self._stored(output)
        lines = [f"# {self.title}", f"lattice: {self.lattice}"]
        if self.c_over_a is not None:
            lines += [*(f"# {line}" for line in self.c_over_a_source.splitlines()), f"c/a: {self.c_over_a!r}"]
        lines += ["mechanical:", f"  output: [{', '.join(mechanical)}]", "  elastic:"]
        lines += [*(f"    # {line}" for line in self.elastic_source.splitlines()), "    type: Hooke"]
        lines += [f"    {name}: {_yaml(value)}" for name, value in self.elastic.items()]
        lines += ["  plastic:"]
        lines += [f"    # {line}" for line in self.plastic_source.splitlines()]
        lines += [f"    type: {self.law}"]
        lines += [f"    output: [{', '.join(plastic)}]"] if plastic else []
        lines += [f"    {name}: {_yaml(value)}" for name, value in self.plastic.items()]
        return "\n".join(lines) + "\n"

    def _stored(self, output: str | Sequence[str] | None) -> tuple[list[str], list[str]]:
        """Fields of mechanics and of the law that DAMASK stores."""
        if output is None:
            usual = {"isotropic": ("xi",), "kinehardening": ("xi", "chi", "gamma"), "nonlocal": _NONLOCAL_USUAL}.get(
                self.law
            )
            twins = ("xi_tw", "gamma_tw") if "N_tw" in self.plastic else ()
            return list(_MECHANICAL_USUAL), list(usual or ("xi_sl", "gamma_sl", *twins))
        asked = [name.strip() for name in output.split(",")] if isinstance(output, str) else list(output)
        every = {name for names in LAW_FIELDS.values() for name in names}
        wrong = next((name for name in asked if name not in FIELDS and name not in every), None)
        if wrong is not None:
            known = ", ".join((*FIELDS, *LAW_FIELDS[self.law]))
            raise ValueError(f"output: expected fields out of {known}; got {wrong!r}")
        mechanical = ["F", "P", *(name for name in asked if name in FIELDS and name not in ("F", "P"))]
        return mechanical, [name for name in asked if name in LAW_FIELDS[self.law]]


def _yaml(value: float | bool | tuple) -> str:
    """A value that YAML 1.1 (PyYAML, damask) reads as a number too: with a point before the exponent."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    mantissa, e, exponent = f"{value:.6g}".partition("e")
    return f"{mantissa}{'.0' if e and '.' not in mantissa else ''}{e}{exponent}"


def _fcc(dot_gamma_0: float, n: float, a: float, xi_0: float, xi_inf: float, h_0: float) -> dict:
    """Twelve {111}<110> systems that interact as in nickel: 1 for coplanar ones, most between collinear ones."""
    return {
        "N_sl": (12,),
        "dot_gamma_0_sl": (dot_gamma_0,),
        "n_sl": (n,),
        "a_sl": (a,),
        "xi_0_sl": (xi_0,),
        "xi_inf_sl": (xi_inf,),
        "h_0_sl-sl": (h_0,),
        "h_sl-sl": (1.0, 1.0, 5.123, 0.574, 1.123, 1.123, 1.0),
    }


_EXAMPLE = "values of DAMASK 3.0.2, examples/config/phase/mechanical"
_INTERACTION = (
    "h_sl-sl: R. Madec, L.P. Kubin, Acta Mater. 126 (2017) 166, doi:10.1016/j.actamat.2016.12.040, and\n"
    "L.P. Kubin et al., Acta Mater. 56 (2008) 6040, doi:10.1016/j.actamat.2008.08.012"
)
_COPPER_SOURCE = (
    "fitted to T. Takeuchi, Trans. Jpn. Inst. Met. 16 (1975) 629, doi:10.2320/matertrans1960.16.629, Fig. 3b\n"
    "([111] and [001] single crystals)"
)
_NICKEL = {"C_11": 251.0e9, "C_12": 150.0e9, "C_44": 123.7e9}
_NICKEL_SOURCE = (
    "G.A. Alers, J.R. Neighbours, H. Sato, J. Phys. Chem. Solids 13 (1960) 40,\n"
    f"doi:10.1016/0022-3697(60)90125-6; {_EXAMPLE}/elastic/Hooke_Ni.yaml"
)
_ALL = (
    Definition(
        name="Al",
        title="Aluminium, high purity",
        lattice="cF",
        elastic={"C_11": 106.9e9, "C_12": 60.5e9, "C_44": 28.4e9},
        elastic_source="G.N. Kamm, G.A. Alers, J. Appl. Phys. 35 (1964) 327, doi:10.1063/1.1713309, and\n"
        "D. Gerlich, E.S. Fisher, J. Phys. Chem. Solids 30 (1969) 1197, doi:10.1016/0022-3697(69)90377-1;\n"
        f"{_EXAMPLE}/elastic/Hooke_Al.yaml",
        plastic=_fcc(7.5e-5, 20.0, 5.4, 2.69e6, 67.5e6, 281.5e6),
        plastic_source="fitted to W.F. Hosford et al., Acta Metall. 8 (1960) 187, doi:10.1016/0001-6160(60)90127-9,\n"
        f"Fig. 5 ([111] and [001] single crystals);\n{_EXAMPLE}/plastic/phenopowerlaw_Al.yaml;\n{_INTERACTION}",
        aliases=("aluminium", "aluminum"),
    ),
    Definition(
        name="Cu",
        title="Copper, high purity",
        lattice="cF",
        elastic={"C_11": 168.9e9, "C_12": 121.8e9, "C_44": 75.8e9},
        elastic_source="W.C. Overton, J. Gaffney, Phys. Rev. 98 (1955) 969, doi:10.1103/PhysRev.98.969, and\n"
        "Y.A. Chang, L. Himmel, J. Appl. Phys. 37 (1966) 3567, doi:10.1063/1.1708903;\n"
        f"{_EXAMPLE}/elastic/Hooke_Cu.yaml",
        plastic=_fcc(3e-3, 20.0, 0.6, 1.6e6, 96.4e6, 350e6),
        plastic_source=f"{_COPPER_SOURCE};\n{_EXAMPLE}/plastic/phenopowerlaw_Cu.yaml;\n{_INTERACTION}",
        aliases=("copper",),
    ),
    Definition(
        name="Ni",
        title="Nickel, pure",
        lattice="cF",
        elastic=_NICKEL,
        elastic_source=_NICKEL_SOURCE,
        law="nonlocal",
        plastic={
            "flux": False,
            "N_sl": (12,),
            "b_sl": (2.48e-10,),
            "V_at": 1.2e-29,
            "d_ed": (2.6e-9,),
            "d_sc": (1.2e-8,),
            "i_sl": (45.0,),
            "f_ed_mult": 0.1,
            "rho_u_ed_neg_0": (6e10,),
            "rho_u_ed_pos_0": (6e10,),
            "rho_u_sc_neg_0": (6e10,),
            "rho_u_sc_pos_0": (6e10,),
            "rho_d_ed_0": (0.0,),
            "rho_d_sc_0": (0.0,),
            "D_0": 3e-53,
            "Q_cl": 0.0,
            "Q_sol": 1.79444e-19,
            "c_sol": 5e-7,
            "f_sol": 1.0,
            "tau_Peierls_ed": (1e5,),
            "tau_Peierls_sc": (1e5,),
            "w": 10.0,
            "p_sl": 1.0,
            "q_sl": 1.0,
            "nu_a": 5e10,
            "B": 1e-3,
            "f_ed": 0.01,
            "h_sl-sl": (0.0, 0.0, 0.625, 0.07, 0.137, 0.137, 0.122),
            "chi_GB": 0.0,
            "chi_surface": 1.0,
            "f_F": 0.0,
            "sigma_rho_u": 0.0,
            "short_range_stress_correction": False,
            "rho_significant": 1e6,
        },
        plastic_source="C. Kords, On the role of dislocation transport in the constitutive description of crystal\n"
        "plasticity, RWTH Aachen (2013), http://publications.rwth-aachen.de/record/229993, and C. Reuber et al.,\n"
        "Acta Mater. 71 (2014) 333, doi:10.1016/j.actamat.2014.03.012: dislocation densities on each system;\n"
        f"{_EXAMPLE}/plastic/nonlocal_Ni.yaml, but for flux: false,\n"
        "which leaves out the transport of dislocations between voxels: with it DAMASK_grid 3.0.2 did not converge on\n"
        "grids of 0.5, 2 and 10 um per voxel, down to strain increments of 1.6e-5",
        aliases=("nickel",),
    ),
    Definition(
        name="Ni-estimate",
        title="Nickel, high purity; the plasticity is an estimate",
        lattice="cF",
        elastic=_NICKEL,
        elastic_source=_NICKEL_SOURCE,
        plastic=_fcc(3e-3, 20.0, 0.6, 2.93e6, 176e6, 641e6),
        plastic_source="ESTIMATE, not measured: copper's law with its stresses times 1.83, the ratio of shear moduli\n"
        "of {111}<110> slip, (C_11 - C_12 + C_44) / 3 (74.9 and 41.0 GPa). Copper:\n"
        f"{_COPPER_SOURCE};\n{_INTERACTION}",
    ),
    Definition(
        name="IN625",
        title="Nickel alloy Inconel 625",
        lattice="cF",
        elastic={"C_11": 243.9e9, "C_12": 157.0e9, "C_44": 117.9e9},
        elastic_source="Z. Wang et al., Mater. Sci. Eng. A 674 (2016) 406, doi:10.1016/j.msea.2016.08.010;\n"
        f"{_EXAMPLE}/elastic/Hooke_IN625.yaml",
        plastic=_fcc(2e-4, 40.0, 1.0, 143.5e6, 470e6, 1.12e9),
        plastic_source="N. Prabhu, M. Diehl, Integr. Mater. Manuf. Innov. 13 (2024) 804,\n"
        f"doi:10.1007/s40192-024-00359-1, Table 3(d); {_EXAMPLE}/plastic/phenopowerlaw_IN625.yaml;\n{_INTERACTION}",
        aliases=("inconel 625", "alloy 625"),
    ),
    Definition(
        name="Fe",
        title="alpha-Fe; the plasticity is that of ferrite in a dual-phase steel",
        lattice="cI",
        elastic={"C_11": 232.2e9, "C_12": 136.4e9, "C_44": 117.0e9},
        elastic_source="D.J. Dever, J. Appl. Phys. 43 (1972) 3293, doi:10.1063/1.1661710;\n"
        f"{_EXAMPLE}/elastic/Hooke_Fe.yaml",
        plastic={
            "N_sl": (12, 12),
            "dot_gamma_0_sl": (1e-3, 1e-3),
            "n_sl": (20.0, 20.0),
            "a_sl": (2.25, 2.25),
            "xi_0_sl": (95e6, 96e6),
            "xi_inf_sl": (222e6, 412e6),
            "h_0_sl-sl": (1e9, 1e9),
            "h_sl-sl": (1.0, 1.4, 1.0, *(1.4,) * 21),
        },
        plastic_source="C.C. Tasan et al., Acta Mater. 81 (2014) 386, doi:10.1016/j.actamat.2014.07.071, Table 1;\n"
        "slip on {110} and {112}; self and coplanar interaction 1, all others 1.4 after\n"
        "U.F. Kocks, Metall. Mater. Trans. B 1 (1970) 1121, doi:10.1007/BF02900224;\n"
        f"{_EXAMPLE}/plastic/phenopowerlaw_DP-steel-ferrite.yaml",
        aliases=("alpha-fe", "iron", "iron-alpha", "alpha-iron", "ferrite", "iron bcc"),
    ),
    Definition(
        name="316L",
        title="Austenitic stainless steel: elasticity of 316L (X2CrNiMo17-12-2), plasticity of X2CrNiMo18-15-4",
        lattice="cF",
        elastic={"C_11": 218.3e9, "C_12": 144.8e9, "C_44": 125.4e9},
        elastic_source="J.-M. Scherer et al., Mater. Sci. Eng. A 900 (2024) 146471, doi:10.1016/j.msea.2024.146471,\n"
        f"eqs. 6 to 8; {_EXAMPLE}/elastic/Hooke_X2CrNiMo17-12-2.yaml",
        law="kinehardening",
        plastic={
            "N_sl": (12,),
            "dot_gamma_0": (1e-4,),
            "n": (20.0,),
            "xi_0": (70e6,),
            "xi_inf": (15e6,),
            "h_0_xi": (65e6,),
            "h_inf_xi": (45e6,),
            "chi_inf": (27e6,),
            "h_0_chi": (55e9,),
            "h_inf_chi": (1.3e9,),
            "h_sl-sl": (1.0,) * 7,
        },
        plastic_source="J.A. Wollmershauser, B. Clausen, S.R. Agnew, Int. J. Fatigue 36 (2012) 181,\n"
        "doi:10.1016/j.ijfatigue.2011.07.008: Voce hardening with back stress, which cyclic loading needs;\n"
        f"{_EXAMPLE}/plastic/kinehardening_X2CrNiMo18-15-4.yaml.\n"
        "dot_gamma_0 and n are DAMASK's choice, not in the paper",
        aliases=("ss316l", "aisi 316l", "316l stainless steel", "austenite", "iron fcc", "iron-gamma"),
    ),
    Definition(
        name="Mg",
        title="Magnesium",
        lattice="hP",
        c_over_a=1.6235,
        c_over_a_source="D. Tromans, Int. J. Recent Res. Appl. Stud. 6 (2011) 462;\n"
        "value of DAMASK 3.0.2, examples/config/phase/Mg.yaml",
        elastic={"C_11": 59.5e9, "C_33": 61.7e9, "C_44": 16.5e9, "C_12": 25.6e9, "C_13": 21.5e9},
        elastic_source="L.J. Slutsky, C.W. Garland, Phys. Rev. 107 (1957) 972, doi:10.1103/PhysRev.107.972;\n"
        f"{_EXAMPLE}/elastic/Hooke_Mg.yaml",
        plastic={
            "N_sl": (3, 3, 6, 0, 6),
            "dot_gamma_0_sl": (1e-3, 1e-3, 1e-3, 0.0, 1e-3),
            "n_sl": (20.0, 20.0, 20.0, 1.0, 20.0),
            "a_sl": (2.25, 2.25, 2.25, 1.0, 2.25),
            "xi_0_sl": (10e6, 55e6, 60e6, 0.0, 60e6),
            "xi_inf_sl": (40e6, 135e6, 150e6, 0.0, 150e6),
            "h_0_sl-sl": (500e6, 500e6, 500e6, 0.0, 500e6),
            "f_sat_sl-tw": (10.0, 10.0, 10.0, 0.0, 10.0),
            "N_tw": (6, 0, 6),
            "dot_gamma_0_tw": (1e-3, 0.0, 1e-3),
            "n_tw": (20.0, 1.0, 20.0),
            "xi_0_tw": (40e6, 0.0, 60e6),
            "h_0_tw-tw": (50e6, 0.0, 50e6),
            "h_0_tw-sl": (150e6, 0.0, 150e6),
            "h_sl-sl": (1.0,) * _HP_SLIP_PAIRS,
            "h_tw-tw": (1.0,) * _HP_TWIN_PAIRS,
            "h_tw-sl": (1.0,) * _HP_TWIN_PAIRS,
            "h_sl-tw": (1.0,) * _HP_TWIN_PAIRS,
        },
        plastic_source="F. Wang et al., Acta Mater. 80 (2014) 77, doi:10.1016/j.actamat.2014.07.048: basal,\n"
        "prismatic, pyramidal <a> and second-order pyramidal <c+a> slip, tension and compression twins;\n"
        "interactions all 1;\n"
        f"{_EXAMPLE}/plastic/phenopowerlaw_Mg.yaml",
        aliases=("magnesium",),
    ),
    Definition(
        name="Ti",
        title="alpha-Ti, commercially pure",
        lattice="hP",
        c_over_a=1.587,
        c_over_a_source="value of DAMASK 3.0.2, examples/config/phase/Ti.yaml",
        elastic={"C_11": 162.5e9, "C_33": 180.6e9, "C_44": 46.8e9, "C_12": 91.8e9, "C_13": 68.9e9},
        elastic_source="E.S. Fisher, C.J. Renken, Phys. Rev. 135 (1964) A482, doi:10.1103/PhysRev.135.A482;\n"
        f"{_EXAMPLE}/elastic/Hooke_Ti.yaml",
        plastic={
            "N_sl": (3, 3, 0, 12),
            "dot_gamma_0_sl": (1e-3, 1e-3, 0.0, 1e-3),
            "n_sl": (20.0, 20.0, 1.0, 20.0),
            "a_sl": (2.0, 2.0, 1.0, 2.0),
            "xi_0_sl": (349e6, 150e6, 0.0, 1107e6),
            "xi_inf_sl": (568e6, 1500e6, 0.0, 3420e6),
            "h_0_sl-sl": (200e6, 200e6, 0.0, 200e6),
            "h_sl-sl": (1.0,) * _HP_SLIP_PAIRS,
        },
        plastic_source="C. Zambaldi et al., J. Mater. Res. 27 (2012) 356, doi:10.1557/jmr.2011.334, from\n"
        "nanoindentation (strong): basal, prismatic, first-order pyramidal <c+a> slip; interactions all 1;\n"
        f"{_EXAMPLE}/plastic/phenopowerlaw_Ti.yaml",
        aliases=("titanium", "alpha-ti", "ti-alpha", "titanium-alpha", "ti (alpha)"),
    ),
    Definition(
        name="Void",
        title="Empty space: soft, and of any volume",
        lattice="cF",
        elastic={"C_11": 1.0e8, "C_12": 1.0e6, "C_44": 4.95e7},
        elastic_source="T. Maiti, P. Eisenlohr, Scripta Mater. 145 (2018) 37, doi:10.1016/j.scriptamat.2017.09.047;\n"
        f"{_EXAMPLE}/elastic/Hooke_vanishing-Poisson-ratio.yaml",
        plastic={
            "dot_gamma_0": 0.001,
            "n": 20.0,
            "xi_0": 0.3e6,
            "xi_inf": 0.6e6,
            "a": 2.0,
            "h_0": 1.0e6,
            "M": 1.0,
            "h": 1.0,
            "dilatation": True,
        },
        plastic_source="the same paper: a dilatant isotropic law that flows under pressure;\n"
        f"{_EXAMPLE}/plastic/isotropic_free-surface.yaml",
        aliases=("pore", "outside"),
        law="isotropic",
    ),
)

LIBRARY: dict[str, Definition] = {definition.name: definition for definition in _ALL}
"""The definitions by name."""


def find(name: str) -> Definition | None:
    """Return the definition of that name or alias, whatever its case; None where there is none."""
    wanted = name.strip().lower()
    return next((d for d in _ALL if wanted == d.name.lower() or wanted in d.aliases), None)


def template(name: str, lattice: str, c_over_a: float | None = None) -> str:
    """Return a definition to be completed: every ``???`` is a value to fill in.

    Parameters
    ----------
    name : str
        Of the phase.
    lattice : str
        cF, cI, hP or tI.
    c_over_a : float, optional
        Of hP and tI; to be filled in where it is not known.

    Returns
    -------
    str
        YAML.
    """
    constants = {"cF": ("C_11", "C_12", "C_44"), "cI": ("C_11", "C_12", "C_44"),
                 "hP": ("C_11", "C_33", "C_44", "C_12", "C_13"),
                 "tI": ("C_11", "C_33", "C_44", "C_66", "C_12", "C_13")}[lattice]  # fmt: skip
    families = {
        "cF": ("12", "{111}<110>"),
        "cI": ("12, 12", "{110}<111>, {112}<111>"),
        "hP": ("3, 3, 6, 12, 6", "basal, prismatic, pyramidal <a>, first- and second-order pyramidal <c+a>"),
        "tI": ("2, 2", "{100}<001>, {110}<001>"),
    }[lattice]
    blanks = ", ".join("???" for _ in families[0].split(","))
    pairs = {"cF": 7, "cI": 24, "hP": _HP_SLIP_PAIRS, "tI": 182}[lattice]
    lines = [
        f"# {name}: replace every ??? by a value (Pa, 1/s) and say where it is from",
        f"lattice: {lattice}",
    ]
    if lattice in ("hP", "tI"):
        lines.append("c/a: ???" if c_over_a is None else f"c/a: {c_over_a:.6f}  # of the lattice constants of the map")
    lines += ["mechanical:", "  output: [F, P, F_e, F_p, L_p, O]", "  elastic:", "    type: Hooke"]
    lines += [f"    {constant}: ???" for constant in constants]
    lines += [
        "  plastic:",
        "    type: phenopowerlaw",
        "    output: [xi_sl, gamma_sl]",
        f"    N_sl: [{families[0]}]  # systems per family: {families[1]}",
    ]
    for parameter in ("dot_gamma_0_sl", "n_sl", "a_sl", "xi_0_sl", "xi_inf_sl", "h_0_sl-sl"):
        lines.append(f"    {parameter}: [{blanks}]")
    lines.append(f"    h_sl-sl: [{', '.join(['1.0'] * pairs)}]  # interaction of slip systems, here all alike")
    return "\n".join(lines) + "\n"
