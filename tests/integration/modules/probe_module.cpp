#include "probe.hpp"

using probe::Counter, probe::Hoard, probe::Relay;

EPIC_MODULE(epic::no_setup, Counter, Relay, Hoard)
