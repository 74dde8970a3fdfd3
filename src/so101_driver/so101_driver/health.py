"""Warns of heat and of a weak supply early: the servo's own limits act late.

A servo cuts its torque at 70 degrees, and accepts 4 V on a 12 V supply. With hysteresis, so that a
value that fluctuates around a threshold gives one warning.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS, Floats

HOT, COOL = 60, 55  # degrees Celsius: 10 below the servo's limit leaves some minutes of work
# Share of the highest voltage so far, which is the supply without load. Torque and speed fall with
# the voltage, and a supply or plug that loses a sixth does not recover.
SAGGING, STEADY = 0.85, 0.92


class Health:
    """Warnings of each servo of one arm, in the order of JOINTS."""

    def __init__(self) -> None:
        self._supply = [0.0] * len(JOINTS)
        self._hot = [False] * len(JOINTS)
        self._sagging = [False] * len(JOINTS)

    def update(
        self, lowest: Sequence[float], voltage: Floats, temperature: npt.NDArray[np.uint8]
    ) -> list[str]:
        """Return a warning for each joint, '' for none.

        Arrays (6,): lowest voltage since the last call (V), present voltage (V), degrees Celsius.
        """
        texts = []
        for i in range(len(JOINTS)):
            self._supply[i] = max(self._supply[i], voltage[i])
            share = lowest[i] / max(self._supply[i], 0.1)
            self._sagging[i] = share < (STEADY if self._sagging[i] else SAGGING)
            self._hot[i] = temperature[i] >= (COOL if self._hot[i] else HOT)
            text = []
            if self._hot[i]:
                text.append(f'hot: {temperature[i]:.0f} degrees (torque ends at 70)')
            if self._sagging[i]:
                text.append(f'supply sags to {lowest[i]:.1f} of {self._supply[i]:.1f} V')
            texts.append(', '.join(text))
        return texts
