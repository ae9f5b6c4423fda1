#include "probe.hpp"

using probe::Ballast, probe::Counter, probe::Diary, probe::Hoard, probe::Relay;

EPIC_MODULE(epic::no_setup, Counter, Relay, Hoard, Diary, Ballast)
