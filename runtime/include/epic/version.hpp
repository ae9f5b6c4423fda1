#pragma once
// Version: what a module and a node must agree on before one calls the other's code.

#define EPIC_VERSION_TEXT "0.1.0"
// Raised with each change to a public header that code compiled against it would notice.
#define EPIC_ABI_TAG "epic-0.1.0-abi-4"
