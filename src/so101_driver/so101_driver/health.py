"""Warns of heat and of a weak supply while there is time: the servo's own limits come late.

It cuts its torque at 70 degrees, and calls 4 V enough for a 12 V servo. Hysteresis, so that a
value at a threshold is one warning.
"""

from so101_description.joints import JOINTS

HOT, COOL = 60, 55  # degrees Celsius: 10 before the servo lets go, some minutes of work
# Of the highest voltage seen, which is the supply without load: torque and speed fall alike, and
# a supply or plug that gives way by a sixth does not get better.
SAGGING, STEADY = 0.85, 0.92


class Health:
    """What is wrong with each servo of one arm, in the order of JOINTS."""

    def __init__(self):
        self._supply = [0.0] * len(JOINTS)
        self._hot = [False] * len(JOINTS)
        self._sagging = [False] * len(JOINTS)

    def update(self, lowest, voltage, temperature) -> list[str]:
        """Return a text for each joint, '' if it is well.

        Arrays (6,): the lowest voltage since the last call, that of now (V), degrees Celsius.
        """
        texts = []
        for i in range(len(JOINTS)):
            self._supply[i] = max(self._supply[i], voltage[i])
            share = lowest[i] / max(self._supply[i], 0.1)
            self._sagging[i] = share < (STEADY if self._sagging[i] else SAGGING)
            self._hot[i] = temperature[i] >= (COOL if self._hot[i] else HOT)
            text = []
            if self._hot[i]:
                text.append(f'hot: {temperature[i]:.0f} degrees (lets go at 70)')
            if self._sagging[i]:
                text.append(f'supply sags to {lowest[i]:.1f} of {self._supply[i]:.1f} V')
            texts.append(', '.join(text))
        return texts
