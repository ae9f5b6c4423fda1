#include "ledger.hpp"
#include "trouble.hpp"

EPIC_MODULE(epic::no_setup, ledger::Account, ledger::Teller, trouble::Bulk, trouble::Link, trouble::Poison,
            trouble::Turnstile)
