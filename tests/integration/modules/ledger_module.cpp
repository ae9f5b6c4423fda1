#include "ledger.hpp"

EPIC_MODULE(epic::no_setup, ledger::Account, ledger::Teller)
