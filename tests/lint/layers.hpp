#pragma once
// Layers: who may include whom, and what the kernel and the public headers may not touch at all.
//
// cli → cluster → runtime; inside runtime: node → {io, sim} → kernel → reflect. A reader who opens a folder knows from
// its place what it can depend on; one include against the arrow, and that knowledge is gone.

#include "lint/tree.hpp"

namespace epic::lint {

/// Includes of our own files that point back up, or sideways between io and sim.
Findings find_layer_faults(const Tree& tree);

/// Libraries and system headers where the folder may not have them: the kernel is free of I/O, <epic/epic.hpp> light.
Findings find_library_faults(const Tree& tree);

/// Uses of the clock, randomness, threads and sockets outside the folders that wrap them.
Findings find_impure_calls(const Tree& tree);

}  // namespace epic::lint
