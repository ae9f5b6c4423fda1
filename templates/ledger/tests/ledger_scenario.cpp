// Money on a simulated fabric whose nodes crash, pause and lose each other. `epic test` runs a few seeds, `epic
// simulate` as many as you like.

#include <catch2/catch.hpp>
#include <chrono>
#include <epic/sim.hpp>

#include "bank.hpp"
#include "teller.hpp"

using epic::sim::Fabric;
using namespace std::chrono_literals;

namespace {

epic::Task<> set_tellers_to_work(Fabric& fabric, std::int64_t payments) {
  for (int number = 1; number <= kTellers; ++number) {
    const auto next = fabric.get<Teller>(1 + number % kTellers);
    co_await fabric.insist([&] { return fabric.get<Teller>(number)->work(payments, next); });
  }
}

epic::Task<Audit> audit(Fabric& fabric) {
  const auto bank = fabric.get<Bank>("main");
  const Audit audit = co_await fabric.insist([&] { return bank->audit(); });
  fabric.require(bank, audit.is_right, "on day {}, {} of {} cents are on accounts and {} under way", audit.day,
                 audit.balances, audit.issued, audit.under_way);
  co_return audit;
}

epic::Task<> audit_often(Fabric& fabric) {
  for (int i = 0; i < 6; ++i) {
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(1500)));
    co_await audit(fabric);
  }
}

// Nobody has no account, so all that is sent there stays under way.
epic::Task<> send_to_nobody(Fabric& fabric, epic::Ref<Account> from) {
  for (int i = 0; i < 10; ++i) {
    try {
      co_await fabric.call(from->transfer(fabric.get<Account>("nobody"), 100));
    } catch (const std::runtime_error&) {  // too little money, or a fault; then it may have been sent
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(500)));
  }
}

}  // namespace

EPIC_SCENARIO("ledger: every audit is right, and all money arrives, whatever fails",
              {.nodes = 4, .fault_every = std::chrono::milliseconds(500)}) {
  const auto donor = fabric.get<Account>("donor");
  const auto bank = fabric.get<Bank>("main");
  co_await fabric.insist([&] { return bank->open(donor, 700); });
  for (std::uint64_t customer = 1; customer <= kCustomers; ++customer)
    co_await fabric.insist([&] { return bank->open(fabric.get<Account>(customer), 20'000); });
  co_await set_tellers_to_work(fabric, 1'000);

  std::vector<epic::Task<>> parts;
  parts.push_back(audit_often(fabric));
  parts.push_back(send_to_nobody(fabric, donor));
  co_await fabric.all(std::move(parts));
  co_await fabric.settle();

  const auto lost = (co_await fabric.insist([&] { return donor->get_books(); })).sent;
  Audit last;
  for (int i = 0; i < 60 && (i == 0 || last.under_way != lost); ++i) {
    co_await set_tellers_to_work(fabric, 0);  // setup, too, may just have sent them to work
    co_await fabric.sleep(1s);
    last = co_await audit(fabric);
  }
  fabric.require(donor, last.under_way == lost, "{} cents are under way, and {} were sent to nobody", last.under_way,
                 lost);

  if (lost > 0) co_await fabric.insist([&] { return donor->refund("all of them", lost); });
  const auto balance = co_await fabric.insist([&] { return donor->get_balance(); });
  fabric.require(donor, balance == 700, "{} cents after the refund", balance);
  fabric.require(bank, (co_await audit(fabric)).under_way == 0, "money is under way after the refund");
}
