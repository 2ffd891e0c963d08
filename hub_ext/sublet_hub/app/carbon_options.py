"""The options by which CO2 is reckoned from the energy of cards."""

from datetime import date

from traitlets import Float, HasTraits, Unicode

from sublet_hub.errors import ConfigurationError
from sublet_hub.settings import CarbonSettings


class CarbonOptions(HasTraits):
    """How much CO2 a kWh comes to, and who says so. Without it energy alone is told."""

    carbon_g_per_kwh = Float(
        0.0,
        min=0.0,
        max=100_000.0,
        help="How much CO2 a kWh comes to here, in grams, by carbon_source as of carbon_as_of, "
        "which both must be set then. 0: no CO2 is told, only energy.",
    ).tag(config=True)
    carbon_source = Unicode(
        "", help="Who says how much CO2 a kWh comes to, such as the grid's operator or a contract."
    ).tag(config=True)
    carbon_as_of = Unicode("", help="As of which day that is, such as 2026-01-31.").tag(config=True)
    pue = Float(
        1.0,
        min=1.0,
        max=10.0,
        help="How much the whole house takes for each kWh of the cards (power usage "
        "effectiveness). CO2 is reckoned with it; energy is told as the cards' own.",
    ).tag(config=True)

    def carbon_settings(self) -> CarbonSettings | None:
        """Return them; ``None`` where no CO2 is told. Raises ``ConfigurationError``."""
        if not self.carbon_g_per_kwh:
            return None
        if not self.carbon_source:
            message = "carbon_g_per_kwh is set: say in carbon_source who says so"
            raise ConfigurationError(message)
        try:
            as_of = date.fromisoformat(self.carbon_as_of)
        except ValueError as error:
            message = (
                f"carbon_as_of is {self.carbon_as_of!r}: write as of which day carbon_g_per_kwh "
                "is, such as 2026-01-31"
            )
            raise ConfigurationError(message) from error
        return CarbonSettings(self.carbon_g_per_kwh, self.pue, self.carbon_source, as_of)
