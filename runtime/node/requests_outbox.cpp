// outbox: dead letters to entities of this node's shards are retried or dropped.
//
// They are read beside the execution thread, a limited number at a time, and settled by the kernel, which answers when
// that is durable. Letters to other nodes' shards are left to those nodes, which are asked, too.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "codec/described_json.hpp"
#include "node/answers.hpp"
#include "node/requests.hpp"
#include "storage/mail.hpp"

namespace epic::node {

namespace control = protocol::control;
using kernel::Inbox;
using protocol::AnswerStatus;

struct Requests::Settling {
  std::uint64_t id;
  Inbox::Settle how;
  std::set<kernel::MailId> left = {};  // not looked for yet
  std::uint64_t count = 0;             // settled
};

void Requests::answer(const Asked<control::Outbox>& asked) {
  const auto& [action, ids] = asked.request;
  if (ids.size() > control::Outbox::kIdsMax)
    return parts_.send(
        make_failure(asked.id, AnswerStatus::bad_request,
                     fmt::format("'ids' has {} ids; the limit is {}", ids.size(), control::Outbox::kIdsMax)));
  const auto settling = std::make_shared<Settling>(Settling{
      .id = asked.id, .how = action == control::Outbox::Action::drop ? Inbox::Settle::drop : Inbox::Settle::retry});
  for (const std::string& text : ids) {
    const auto id = storage::parse_mail_id(text);
    if (!id)
      return parts_.send(
          make_failure(asked.id, AnswerStatus::bad_request, fmt::format("'{}' is not the id of a message", text)));
    settling->left.insert(*id);
  }
  // The disk may take longer than the supervisor waits for a node that has not begun to answer.
  auto begun = make_answer(asked.id, codec::describe_json(control::Outbox::Answer{}));
  begun.last = false;
  parts_.send(begun);
  settle_next(settling);
}

void Requests::settle_next(const std::shared_ptr<Settling>& settling) {
  read([this, settling, tenures = list_tenures()](storage::Store& store) -> io::StorageWork::Continuation {
    const auto damaged = settling->how == Inbox::Settle::drop ? storage::Damaged::included : storage::Damaged::skipped;
    auto found = storage::read_dead_letters(store, settling->left, damaged);
    if (!found) {
      parts_.send(make_failure(settling->id, AnswerStatus::failed, found.error().message));
      return {};
    }
    return [this, settling, tenures, dead = *std::move(found)]() mutable {
      if (dead.empty())
        return parts_.send(
            make_answer(settling->id, codec::describe_json(control::Outbox::Answer{.count = settling->count})));
      // What was read in an earlier tenure may have been settled by another owner since.
      const auto is_current = [&, now = list_tenures()](const kernel::Mail& mail) {
        const std::size_t shard = mail.to_shard.value;
        return shard < now.size() && now[shard] && now[shard] == tenures[shard];
      };
      std::erase_if(dead, [&](const kernel::Mail& mail) { return !is_current(mail); });
      engine_.kernel().settle_mail(dead, settling->how, [this, settling](std::size_t count) {
        settling->count += count;
        settle_next(settling);
      });
    };
  });
}

std::vector<std::optional<kernel::Epoch>> Requests::list_tenures() {
  std::vector<std::optional<kernel::Epoch>> tenures(engine_.kernel().options().placement.shard_count());
  for (std::uint32_t i = 0; i < tenures.size(); ++i)
    if (const kernel::ShardId shard{i}; is_ours(shard)) tenures[i] = engine_.kernel().routing().epoch_of(shard);
  return tenures;
}

}  // namespace epic::node
