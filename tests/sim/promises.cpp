#include "sim/promises.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "kernel/record.hpp"
#include "sim/cashier.hpp"
#include "sim/insist.hpp"

namespace epic::test {

namespace {

using namespace std::chrono_literals;
using cluster::sim::SimClient;
using std::chrono::nanoseconds;

constexpr nanoseconds kDueSoon = 60ms;  // reminders are due within it …
constexpr nanoseconds kDueMax = 2s;     // … or this
constexpr std::int64_t kBrieflyMs = 5;
constexpr nanoseconds kDueWhenQuiet = 100ms;
constexpr nanoseconds kLateWhenQuietMax = 2s;
constexpr std::uint32_t kMisusePercent = 15;  // of calls with a key that has an answer

Ref<Gong> gong(std::size_t number) { return Ref<Gong>(static_cast<std::int64_t>(number)); }
Ref<Cashier> cashier(std::size_t number) { return Ref<Cashier>(static_cast<std::int64_t>(number)); }

}  // namespace

/// Of a clock that is right. Those of nodes may not be.
std::int64_t Promises::wall_ns(nanoseconds from_now) { return client_.clock().wall_ns() + from_now.count(); }

// ---- calls ----

void Promises::start() {
  try {
    for (std::size_t i = 0; i < kGongs; ++i)
      insist<bool>(cluster_, client_, [&] { return gong(i)->start(wall_ns(kDueWhenQuiet)); });
  } catch (const std::exception& error) {
    violate(error.what());
  }
}

Promises::Order Promises::order() {
  const std::size_t at = world().draw(kGongs);
  const nanoseconds due_max = world().chance(50) ? kDueSoon : kDueMax;
  const std::int64_t due_ns =
      wall_ns(nanoseconds(static_cast<std::int64_t>(world().draw(static_cast<std::uint64_t>(due_max.count())))));
  const auto on_told = [this, at](bool) { gong_witness_.on_set(at); };
  const auto on_unknown = [this, at] { gong_witness_.on_unknown(at); };
  switch (world().draw(8)) {
    case 0:
      return {.call = gong(at)->set_refusal(due_ns)};
    case 1:
      return {.call = gong(at)->send_refusal(gong(world().draw(kGongs)))};
    case 2:
      return {.call = gong(at)->drop(gong_witness_.recent_number(at, world().random()))};
    case 3:
      return {.call = gong(at)->move(gong_witness_.recent_number(at, world().random()), due_ns)};
    case 4:
      return {.call = gong(at)->set_and_drop(world().chance(50) ? 0 : kBrieflyMs)};
    case 5:
    case 6:
      return {.call = gong(at)->set_long(gong_witness_.next_number(at), due_ns),
              .on_told = on_told,
              .on_unknown = on_unknown};
    default:
      return {
          .call = gong(at)->set(gong_witness_.next_number(at), due_ns), .on_told = on_told, .on_unknown = on_unknown};
  }
}

void Promises::pay(SimClient& client, std::function<void(const KeyedEnd&, bool)> on_end) {
  const std::size_t key = key_witness_.choose(world().random());
  const bool is_misused = key_witness_.is_answered(key) && world().chance(kMisusePercent);
  call(client, key, is_misused ? KeyWitness::Method::refund : KeyWitness::Method::pay, std::move(on_end));
}

void Promises::call(SimClient& client, std::size_t key, KeyWitness::Method method,
                    std::function<void(const KeyedEnd&, bool)> on_end) {
  const KeyWitness::Use& use = key_witness_.use(key);
  const auto callee = cashier(use.cashier);
  auto record =
      (method == KeyWitness::Method::pay ? callee->pay(use.key, use.wait_ms) : callee->refund(use.key, use.wait_ms))
          .epic_take_record();
  kernel::set_key(*record, use.key);
  client.submit(kernel::RecordRef(record.detach()),
                [this, key, method, on_end = std::move(on_end)](const kernel::RecordRef& done) {
                  KeyedEnd end;
                  try {
                    end.answer = fmt::format("{}", static_cast<detail::ResultRecord<std::int64_t>&>(*done).take());
                  } catch (const Error& error) {
                    end.code = error.code();
                    end.what = error.what();
                  } catch (const std::exception& error) {
                    end.answer = error.what();
                  }
                  on_end(end, key_witness_.on_end(key, method, end));
                });
}

// ---- the end ----

void Promises::check() {
  check_reminders();
  check_keys();
}

void Promises::read_gongs() {
  std::vector<GongBooks> books;
  for (std::size_t i = 0; i < kGongs; ++i)
    books.push_back(insist<GongBooks>(cluster_, client_, [&] { return gong(i)->get_books(); }));
  gong_books_ = std::move(books);
}

/// Those that are set now come in time, and by then no other is missing. What recurs ends.
void Promises::check_reminders() {
  for (std::size_t i = 0; i < kGongs; ++i)
    insist<bool>(cluster_, client_, [&] {
      gong_witness_.on_unknown(i);
      return gong(i)->set(gong_witness_.next_number(i), wall_ns(kDueWhenQuiet));
    });
  const std::int64_t until_ns = world().now_ns() + nanoseconds(kHealthyWithin).count();
  do {
    world().run_for(kDueWhenQuiet);
    read_gongs();
  } while (!GongWitness::is_settled(gong_books_) && world().now_ns() < until_ns);
  for (std::size_t i = 0; i < kGongs; ++i) {
    if (nanoseconds(gong_books_[i].late_ns) > kLateWhenQuietMax)
      violate(fmt::format("Gong/{}: a reminder came {} ms late", i, gong_books_[i].late_ns / 1'000'000));
    insist<bool>(cluster_, client_, [&] { return gong(i)->stop(); });
  }
  world().run_for(2 * kGongEvery);
  read_gongs();
}

void Promises::check_keys() {
  for (const std::size_t key : key_witness_.list_to_ask())
    insist_on(cluster_, client_, [&](std::function<void(std::optional<std::string>)> on_end) {
      call(client_, key, KeyWitness::Method::pay, [on_end = std::move(on_end)](const KeyedEnd& end, bool is_final) {
        on_end(is_final ? std::nullopt : std::optional(end.what));
      });
    });
  std::vector<std::map<std::string, ledger::Payment>> payments;
  for (std::size_t i = 0; i < kCashiers; ++i)
    payments.push_back(
        insist<std::map<std::string, ledger::Payment>>(cluster_, client_, [&] { return cashier(i)->get_payments(); }));
  payments_ = std::move(payments);
}

/// No reminders, and no messages but dead letters of methods that throw or are cut short.
LettersLeft Promises::check_store() {
  LettersLeft letters;
  const auto store = cluster_.disk().open();
  if (!store) {
    violate("the store cannot be opened in the end: " + store.error().message);
    return letters;
  }
  const auto see = [&](const kernel::Mail& mail) {
    const bool is_dead = mail.status == kernel::MailStatus::dead;
    if (is_dead && mail.method == "toll")
      ++letters.tolls;
    else if (is_dead && mail.method == "refuse")
      ++letters.refusals;
    else
      violate(fmt::format("the message {}.{} from {} is left: {}", mail.to, mail.method, mail.from, mail.why));
    return storage::Visit::go_on;
  };
  const auto see_reminder = [&](const kernel::Reminder& one) {
    violate(fmt::format("the reminder '{}' of {}/{} is left", one.name.name, one.name.type, one.name.key));
    return storage::Visit::go_on;
  };
  const auto on_damage = [&](const storage::StoreError& damage) { violate(damage.message); };
  if (const auto listed = (*store)->list_mail({}, see, on_damage); !listed) violate(listed.error().message);
  if (const auto listed = (*store)->list_reminders({}, see_reminder, on_damage); !listed)
    violate(listed.error().message);
  return letters;
}

std::vector<std::string> Promises::judge(WallClocks clocks, KeyWitness::Stale stale) {
  if (payments_.empty()) return violations_;
  const LettersLeft letters = check_store();
  std::vector<std::string> violations = violations_;
  std::ranges::move(gong_witness_.judge(gong_books_, letters, clocks), std::back_inserter(violations));
  std::ranges::move(key_witness_.judge(payments_, stale), std::back_inserter(violations));
  return violations;
}

}  // namespace epic::test
