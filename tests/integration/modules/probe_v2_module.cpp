#include "probe_v2.hpp"

using probe_v2::Counter, probe_v2::Relay;

EPIC_MODULE(epic::no_setup, Counter, Relay)
