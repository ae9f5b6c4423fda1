#include "fabric_entities.hpp"

EPIC_MODULE(epic::no_setup, bench_module::Echo, bench_module::Caller, bench_module::Account, bench_module::Adder,
            bench_module::Alarm, bench_module::Match, bench_module::Team, bench_module::Follower, bench_module::Author,
            bench_module::Copyist, bench_module::Notary, bench_module::Waiter)
