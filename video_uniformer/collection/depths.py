"""How much of each video a scan decodes; without imports, as a command's help names them."""

DECODE = ("every", "ends", "none")
