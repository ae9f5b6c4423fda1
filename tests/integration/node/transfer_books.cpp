#include "integration/node/transfer_books.hpp"

#include <fmt/format.h>

#include <boost/describe/class.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <catch2/catch.hpp>
#include <tuple>

#include "codec/capnp_codec.hpp"
#include "storage/mail.hpp"
#include "storage/open_store.hpp"

namespace epic::test {

/// What a purse has saved, read by the names of its members.
struct SavedPurse {
  std::int64_t balance = 0;
  std::vector<transfers::Entry> sent;
  std::vector<transfers::Entry> booked;
};
BOOST_DESCRIBE_STRUCT(SavedPurse, (), (balance, sent, booked))

namespace {

/// The value, or the end of the test.
template <class Value>
Value must_read(std::expected<Value, storage::StoreError> read) {
  if (!read) FAIL(read.error().message);
  if constexpr (!std::is_void_v<Value>) return *std::move(read);
}

/// Schemas of a store, each read once.
class Schemas {
 public:
  explicit Schemas(storage::Store& store) : store_(store) {}
  const reflect::Schema& get(reflect::SchemaId id) {
    if (const auto known = schemas_.find(id); known != schemas_.end()) return known->second;
    const auto text = must_read(store_.schema(id));
    REQUIRE(text);
    auto schema = reflect::Schema::parse(*text);
    if (!schema) FAIL(schema.error());
    return schemas_.emplace(id, *std::move(schema)).first->second;
  }

 private:
  storage::Store& store_;
  std::map<reflect::SchemaId, reflect::Schema> schemas_;
};

template <class Value>
Value decode(const std::vector<std::byte>& bytes, const reflect::Schema& schema) {
  Value value{};
  const auto read = codec::CapnpCodec().decode(bytes, schema, reflect::type_of<Value>(), &value);
  if (!read) FAIL(read.error().path << ": " << read.error().what);
  return value;
}

std::string_view text_of(transfers::How how) { return boost::describe::enum_to_string(how, "?"); }

/// Others end in their first turn, which throws nothing: not even a crash makes them dead letters.
bool may_be_dead(transfers::How how) {
  using enum transfers::How;
  return how == second_time || how == never || how == waiting || how == asking || how == late_poison;
}

}  // namespace

TransferBooks TransferBooks::read(const storage::StoreAddress& address) {
  const auto store = must_read(storage::open_store({.address = address, .mode = storage::OpenMode::read_only}));
  must_read(store->begin_moment());
  std::vector<storage::Snapshot> purses;
  must_read(store->list(
      {.type = "Purse"},
      [&](const storage::Snapshot& snapshot) {
        purses.push_back(snapshot);
        return storage::Visit::go_on;
      },
      [](const storage::DamagedRow& damaged) { FAIL(damaged.message); }));
  std::vector<storage::Mail> mail;
  must_read(store->list_mail(
      {},
      [&](const storage::Mail& one) {
        mail.push_back(one);
        return storage::Visit::go_on;
      },
      [](const storage::DamagedMail& damaged) { FAIL(damaged.message); }));
  Schemas schemas(*store);
  TransferBooks books;
  for (const storage::Snapshot& purse : purses) books.add(purse, schemas.get(purse.schema));
  for (const storage::Mail& one : mail) books.add(one, schemas.get(one.schema));
  return books;
}

void TransferBooks::add(const storage::Snapshot& snapshot, const reflect::Schema& schema) {
  const auto purse = decode<SavedPurse>(snapshot.bytes, schema);
  balances_ += purse.balance;
  for (const transfers::Entry& entry : purse.sent) {
    const bool is_new = sent_.emplace(entry.id, entry).second;
    if (!is_new) FAIL("two transfers have the id " << entry.id);
  }
  for (const transfers::Entry& entry : purse.booked)
    places_.emplace(entry.id, Place{"booked by Purse/" + snapshot.key, entry.amount});
}

void TransferBooks::add(const storage::Mail& mail, const reflect::Schema& schema) {
  auto [transfer] = decode<std::tuple<transfers::Transfer>>(mail.arguments, schema);
  const std::string id = storage::mail_id_text(mail.id);
  places_.emplace(transfer.id, Place{fmt::format("in the message {}, {}, to {}", id,
                                                 storage::mail_status_text(mail.status), mail.to),
                                     transfer.amount});
  mail_.push_back({id, mail.to, mail.status, mail.why, std::move(transfer)});
}

std::vector<std::string> TransferBooks::judge(std::int64_t money) const {
  std::vector<std::string> violations;
  std::int64_t under_way = 0;
  for (const TransferMail& one : mail_) {
    under_way += one.transfer.amount;
    if (one.status == storage::MailStatus::dead && !may_be_dead(one.transfer.how))
      violations.push_back(fmt::format("{} ({}), to {}, is a dead letter: {}", one.transfer.id,
                                       text_of(one.transfer.how), one.to, one.why));
  }
  if (balances_ + under_way != money)
    violations.push_back(
        fmt::format("the purses hold {} and messages {}, which is not {}", balances_, under_way, money));
  for (const auto& [id, entry] : sent_) {
    const auto [begin, end] = places_.equal_range(id);
    if (std::distance(begin, end) == 1 && begin->second.amount == entry.amount) continue;
    std::string what = fmt::format("{} ({}, {}{}) is", id, text_of(entry.how), entry.amount,
                                   entry.courier.empty() ? "" : ", by Courier/" + entry.courier);
    for (auto place = begin; place != end; ++place)
      what += fmt::format("{} {} with {}", place == begin ? "" : ", and", place->second.where, place->second.amount);
    violations.push_back(begin == end ? what + " lost" : what);
  }
  for (const auto& [id, place] : places_)
    if (!sent_.contains(id)) violations.push_back(fmt::format("{}, {}, was never sent", id, place.where));
  return violations;
}

}  // namespace epic::test
