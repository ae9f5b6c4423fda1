#include <catch2/catch.hpp>
#include <chrono>
#include <epic/script.hpp>
#include <epic/testing.hpp>
#include <limits>

#include "bank.hpp"
#include "teller.hpp"

using namespace std::chrono_literals;
using epic::testing::delivers;
using epic::testing::Node;
using epic::testing::Script;

namespace {

constexpr std::int64_t kManyCents = std::numeric_limits<std::int64_t>::max();

Audit audit(Node& node) {
  node.pass(1s);  // messages arrive
  return node.call(node.get<Bank>("main")->audit());
}

std::int64_t balance_of(Node& node, std::string_view account) {
  return node.call(node.get<Account>(account)->get_balance());
}

}  // namespace

TEST_CASE("account: a transfer is a message, sent with the new balance") {
  Script<Account> alice("alice");  // alone: no message arrives
  alice.call<&Account::open>(1'000, 1).result();

  auto transfer = alice.call<&Account::transfer>(epic::Ref<Account>("bob"), 300);
  const auto sent = alice.expect(delivers<&Account::deposit>("Account/bob"));
  CHECK(sent.arguments() == std::tuple{300, 1});
  CHECK(transfer.result() == 700);
}

TEST_CASE("account: what cannot be sent is refused, and nothing changes") {
  Script<Account> alice("alice");
  const epic::Ref<Account> bob("bob");
  CHECK_THROWS_WITH(alice.call<&Account::transfer>(bob, 1).result(), "Account/alice was never opened");

  alice.call<&Account::open>(1'000, 1).result();
  CHECK_THROWS_WITH(alice.call<&Account::transfer>(bob, 1'001).result(),
                    "Account/alice has 1000 cents, too few to send 1001");
  CHECK_THROWS_WITH(alice.call<&Account::transfer>(bob, -5).result(), "-5 cents cannot be sent");
  CHECK(alice.call<&Account::get_balance>().result() == 1'000);
}

TEST_CASE("account: refuses a deposit that it cannot count") {
  Script<Account> alice("alice");
  alice.call<&Account::open>(kManyCents, 1).result();

  CHECK_THROWS_AS(alice.call<&Account::deposit>(1, 1).result(), std::overflow_error);
  CHECK(alice.call<&Account::get_balance>().result() == kManyCents);
}

TEST_CASE("account: is closed when it is empty, and can be opened again") {
  Script<Account> alice("alice");
  alice.call<&Account::open>(1'000, 1).result();
  CHECK_THROWS_WITH(alice.call<&Account::close>().result(), "Account/alice still has 1000 cents");

  alice.call<&Account::transfer>(epic::Ref<Account>("bob"), 1'000).result();
  alice.expect(delivers<&Account::deposit>("Account/bob"));
  alice.call<&Account::close>().result();
  CHECK_THROWS_WITH(alice.call<&Account::deposit>(1, 1).result(), "Account/alice is closed");
  alice.call<&Account::reopen>().result();
  alice.call<&Account::deposit>(1, 1).result();
  CHECK(alice.call<&Account::get_balance>().result() == 1);
}

TEST_CASE("account: a message is refunded once") {
  Script<Account> alice("alice");
  alice.call<&Account::open>(1'000, 1).result();
  alice.call<&Account::transfer>(epic::Ref<Account>("bob"), 300).result();
  alice.expect(delivers<&Account::deposit>("Account/bob"));

  CHECK_THROWS_WITH(alice.call<&Account::refund>("3.1.7", 301).result(), "Account/alice has sent 300 cents in all");
  CHECK(alice.call<&Account::refund>("3.1.7", 200).result());
  CHECK_FALSE(alice.call<&Account::refund>("3.1.7", 200).result());
  CHECK(alice.call<&Account::get_balance>().result() == 900);
}

TEST_CASE("account: money that was sent on the next day does not belong to this one") {
  Script<Account> alice("alice");
  alice.call<&Account::open>(1'000, 1).result();
  alice.call<&Account::deposit>(5, 2).result();  // by an account whose day 1 is closed
  alice.call<&Account::deposit>(7, 1).result();  // by one whose day 1 is not: under way when it ended here

  CHECK(alice.call<&Account::close_day>(1).result().balance == 1'000);
  CHECK(alice.call<&Account::close_day>(2).result().balance == 1'012);
  CHECK_THROWS_WITH(alice.call<&Account::close_day>(1).result(), "day 1 was closed before day 2");
}

TEST_CASE("bank: an audit adds up accounts and what is under way, across a crash") {
  Node node;
  const auto bank = node.get<Bank>("main");
  CHECK(node.call(bank->open(node.get<Account>("alice"), 1'000)));
  CHECK_FALSE(node.call(bank->open(node.get<Account>("alice"), 1'000)));
  CHECK(node.call(bank->open(node.get<Account>("bob"), 0)));
  node.pass(1s);
  node.call(node.get<Account>("alice")->transfer(node.get<Account>("bob"), 300));
  node.crash();

  const Audit all = audit(node);
  CHECK(all.is_right);
  CHECK(all.accounts == 2);
  CHECK(all.issued == 1'000);
  CHECK(all.balances == 1'000);
  CHECK(all.under_way == 0);
  CHECK(balance_of(node, "alice") == 700);
  CHECK(balance_of(node, "bob") == 300);
  CHECK(audit(node).day == all.day + 1);
}

TEST_CASE("bank: does not issue more than can be counted") {
  Node node;
  const auto bank = node.get<Bank>("main");
  CHECK(node.call(bank->open(node.get<Account>("alice"), kManyCents)));

  CHECK_THROWS_AS(node.call(bank->open(node.get<Account>("bob"), 1)), std::overflow_error);
  const Audit all = audit(node);
  CHECK(all.is_right);
  CHECK(all.accounts == 1);
  CHECK(all.balances == kManyCents);
}

TEST_CASE("bank: money that nobody accepts stays under way until it is refunded") {
  Node node;
  const auto alice = node.get<Account>("alice");
  node.call(node.get<Bank>("main")->open(alice, 1'000));
  node.pass(1s);
  node.call(alice->transfer(node.get<Account>("nobody"), 300));

  const Audit before = audit(node);
  CHECK(before.is_right);
  CHECK(before.under_way == 300);
  node.call(alice->refund("3.1.7", 300));
  const Audit after = audit(node);
  CHECK(after.is_right);
  CHECK(after.under_way == 0);
}

TEST_CASE("bank: an audit finds money that was made out of nothing") {
  Node node;
  const auto alice = node.get<Account>("alice");
  node.call(node.get<Bank>("main")->open(alice, 1'000));
  CHECK(audit(node).is_right);

  node.call(alice->deposit(1, 1));
  CHECK_FALSE(audit(node).is_right);
}

TEST_CASE("setup: tellers make all of their payments, also across a crash") {
  Node node;
  node.run_setup();
  node.pass(20s);
  node.crash();
  node.call(node.get<Teller>(1)->get_tally());  // wakes it; each teller wakes the next
  node.pass(2min);

  std::int64_t paid = 0;
  for (int teller = 1; teller <= kTellers; ++teller) {
    const Tally tally = node.call(node.get<Teller>(teller)->get_tally());
    CHECK(tally.left == 0);
    paid += tally.paid;
  }
  CHECK(paid > 0);
  const Audit all = audit(node);
  CHECK(all.is_right);
  CHECK(all.issued == 50 * 100'000);
  CHECK(all.under_way == 0);
}
