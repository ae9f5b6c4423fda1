#pragma once
// What the tests of stored mail share: messages, and operations on them in one line.

#include "support/store_fixtures.hpp"

namespace epic::storage::test {

/// From Sender/s on shard 0, in its first tenure.
inline Mail message(std::uint64_t number, kernel::ShardId to_shard = kernel::ShardId{1}, std::string to = "T/a") {
  return {.id = {.shard = kernel::ShardId{0}, .epoch = kernel::Epoch{1}, .number = number},
          .to_shard = to_shard,
          .from = "Sender/s",
          .to = std::move(to),
          .method = "deposit",
          .schema = kSchema,
          .arguments = bytes_of("amount"),
          .sent_at_ns = 1'700'000'000'000'000'000};
}

inline Operation sent(Mail mail) { return PutMail{std::move(mail)}; }
inline Operation marked(const Mail& mail, MailStatus status, std::string why = {}) {
  return MarkMail{.id = mail.id, .to_shard = mail.to_shard, .status = status, .why = std::move(why)};
}
inline Operation ended(const Mail& mail) { return EndMail{.id = mail.id, .to_shard = mail.to_shard}; }

/// The numbers of the messages that the filter accepts.
inline std::vector<std::uint64_t> mail_numbers(Store& store, const MailFilter& filter = {}) {
  std::vector<std::uint64_t> found;
  must(store.list_mail(
      filter,
      [&](const Mail& mail) {
        found.push_back(mail.id.number);
        return Visit::go_on;
      },
      [](const StoreError& error) { FAIL_CHECK("unexpected damage: " << error.message); }));
  return found;
}

}  // namespace epic::storage::test
