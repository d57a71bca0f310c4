"""The literature's other synthetic videos as classes: moving shapes, Perlin noise, octopuses, dead leaves."""
