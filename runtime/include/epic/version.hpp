#pragma once
// Version: what a module and a node must agree on before either calls the other's code.

#define EPIC_VERSION_TEXT "0.1.0"
// Raised with every change to a public header that affects code compiled against it.
#define EPIC_ABI_TAG "epic-0.1.0-abi-16"
