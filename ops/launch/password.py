"""A password that a person can read off one window and type into another."""

import secrets

_WORDS = (
    "amber anchor apple arrow aspen autumn badge bamboo basil beacon birch blossom breeze bridge brook cactus candle canyon "
    "cedar cherry cinder clover cobalt comet copper coral cotton crane crystal dahlia dawn delta desert dune eagle ember "
    "falcon fern fjord flint forest galaxy garnet ginger glacier granite harbor hazel heron honey indigo island ivory jade "
    "jasmine jasper juniper kestrel lagoon lantern laurel lemon lilac linen lotus lunar magnet mango maple marble meadow "
    "mellow mesa mint mist monsoon moss nectar nimbus nutmeg oasis ocean olive onyx opal orbit orchid otter panda papaya "
    "pearl pebble pepper pine planet plum pollen poppy prairie quartz quill raven reef ripple river robin rocket saffron "
    "sage sandal sapphire shadow silver sparrow spice spruce summit sunset tamarind teal thunder tiger topaz tulip tundra "
    "turmeric valley velvet violet walnut willow winter zephyr"
).split()


def memorable_password() -> str:
    """Three words and three digits: some 30 random bits, behind a slow hash and on loopback."""
    words = "-".join(secrets.choice(_WORDS) for _ in range(3))
    return f"{words}-{secrets.randbelow(900) + 100}"
