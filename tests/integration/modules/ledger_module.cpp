#include "ledger.hpp"
#include "register.hpp"
#include "transfers.hpp"
#include "trouble.hpp"

EPIC_MODULE(epic::no_setup, ledger::Account, ledger::Register, ledger::Teller, transfers::Courier, transfers::Purse,
            trouble::Bulk, trouble::Link, trouble::Poison, trouble::Turnstile)
