#pragma once
// Layers: which folder may include which, and what the kernel and the public headers must not use.
//
// cli → cluster → runtime; inside runtime: node → {io, sim} → kernel → reflect. A reader can tell from a folder's place
// what it may depend on; a single include in the other direction would make that untrue.

#include "lint/tree.hpp"

namespace epic::lint {

/// Includes of our own files against the arrow, or between io and sim.
Findings find_layer_faults(const Tree& tree);

/// Libraries and system headers that a folder must not include: the kernel does no I/O, <epic/epic.hpp> is light.
Findings find_library_faults(const Tree& tree);

/// Uses of the clock, randomness, threads and sockets outside the folders that wrap them.
Findings find_impure_calls(const Tree& tree);

}  // namespace epic::lint
