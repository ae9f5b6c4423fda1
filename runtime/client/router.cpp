#include "client/router.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement_hash.hpp"
#include "reflect/schema_of.hpp"

namespace epic::client {

using kernel::make_exception;
using kernel::PeerAddress;
namespace limits = kernel::limits;

namespace {

std::string describe(const Record& record) { return fmt::format("{}.{}", record.callee->text, record.method->name); }

std::string method_key(std::string_view type, std::string_view method) { return fmt::format("{}.{}", type, method); }

}  // namespace

Router::Router(std::uint64_t life, std::chrono::nanoseconds call_patience, const kernel::Codec& codec, Out out)
    : life_(life), call_patience_(call_patience), codec_(codec), out_(std::move(out)) {}

kernel::HelloMessage Router::hello() const {
  // No fabric and no shard count: a client belongs to whichever it meets.
  return {.from = {kernel::NodeId{0}, life_}, .fabric = {}, .shard_count = 0, .methods = methods_};
}

// ---- beginning and end of a call ----

void Router::submit(RecordRef call, OnEnd on_end) {
  const auto refuse = [&](ErrorCode code, const std::string& why) {
    call->failure = make_exception(code, fmt::format("{} was not sent: {}", describe(*call), why));
    on_end(std::move(call));
  };
  if (!unreachable_.empty()) return refuse(ErrorCode::unavailable, unreachable_);
  if (calls_.size() >= limits::kPendingCallsMax)
    return refuse(ErrorCode::overloaded, fmt::format("{} calls are under way already", calls_.size()));
  const std::uint64_t sequence = next_sequence_++;
  if (call->patience_ns == 0) call->patience_ns = call_patience_.count();
  call->sequence = sequence;
  call->deadline_ns = call->patience_ns > INT64_MAX - now_ns_ ? INT64_MAX : now_ns_ + call->patience_ns;
  deadlines_.emplace(call->deadline_ns, sequence);
  Pending& pending = calls_[sequence];
  pending.record = std::move(call);
  pending.on_end = std::move(on_end);
  if (shards_.empty()) return;  // on_hello routes it
  pending.shard = kernel::shard_of(pending.record->callee->text, static_cast<std::uint16_t>(shards_.size()));
  route(sequence, pending);
}

void Router::end(std::uint64_t sequence, std::exception_ptr failure) {
  const auto found = calls_.find(sequence);
  Pending pending = std::move(found->second);
  calls_.erase(found);
  deadlines_.erase({pending.record->deadline_ns, sequence});
  if (pending.is_sent)
    forget_sent(pending);
  else if (!shards_.empty())
    shards_[pending.shard.value].parked.erase(sequence);
  pending.record->failure = std::move(failure);
  pending.on_end(std::move(pending.record));
}

void Router::on_time(std::int64_t now_ns) {
  now_ns_ = now_ns;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns_) {
    const std::uint64_t sequence = deadlines_.begin()->second;
    const Pending& pending = calls_.at(sequence);
    const Record& record = *pending.record;
    const auto waited_ms = record.patience_ns / 1'000'000;
    if (pending.is_sent)
      end(sequence,
          make_exception(ErrorCode::timeout,
                         fmt::format("the client waited {} ms for {}: no answer has come from its node, where "
                                     "it may still run",
                                     waited_ms, describe(record))));
    else
      end(sequence,
          make_exception(ErrorCode::unavailable, fmt::format("{} was not started within {} ms: no node owned its shard",
                                                             describe(record), waited_ms)));
  }
  if (unblock_at_ns_ && *unblock_at_ns_ <= now_ns_) flush_all();
}

std::optional<std::int64_t> Router::next_timer_ns() const {
  std::optional<std::int64_t> next = unblock_at_ns_;
  if (!deadlines_.empty() && (!next || deadlines_.begin()->first < *next)) next = deadlines_.begin()->first;
  return next;
}

// ---- routing ----

PeerAddress Router::address_of(kernel::NodeId node) const {
  for (const kernel::ShardMap::Member& member : map_.members)
    if (member.node == node) return {node, member.incarnation.value};
  return {node, 0};
}

/// To the owner, or into its place among those that wait.
void Router::route(std::uint64_t sequence, Pending& pending) {
  Shard& shard = shards_[pending.shard.value];
  const PeerAddress owner = address_of(shard.owner);
  const bool must_wait = owner.life == 0 || shard.is_blocked ||
                         (shard.sent_count > 0 && (shard.sent_to != owner || shard.sent_version < shard.owned_since)) ||
                         (!shard.parked.empty() && *shard.parked.begin() < sequence);
  if (must_wait) {
    shard.parked.insert(sequence);
    return;
  }
  send(sequence, pending, shard, owner);
}

void Router::send(std::uint64_t sequence, Pending& pending, Shard& shard, const PeerAddress& to) {
  Record& record = *pending.record;
  kernel::CallMessage call{.id = {kernel::NodeId{0}, life_, sequence},
                           .target = record.callee->text,
                           .method = number_of(record),
                           .map_version = map_.version,
                           .patience_ns = record.deadline_ns - now_ns_,
                           .chain = {},
                           .arguments = {}};
  call.chain.push_back({{kernel::NodeId{0}, life_, 0}, "client", {}});
  try {
    codec_.encode(record.method->arguments(), record.arguments(), call.arguments);
  } catch (const std::exception& error) {
    return end(sequence, make_exception(ErrorCode::bad_arguments,
                                        fmt::format("{} was not sent: {}", describe(record), error.what())));
  }
  if (call.arguments.size() > limits::kArgumentsBytesMax)
    return end(sequence,
               make_exception(ErrorCode::bad_arguments,
                              fmt::format("{} was not sent: its arguments have {} bytes, and {} is the most",
                                          describe(record), call.arguments.size(), limits::kArgumentsBytesMax)));
  pending.is_sent = true;
  pending.sent_version = map_.version;
  ++shard.sent_count;
  shard.sent_to = to;
  shard.sent_version = map_.version;
  out_.send(to, std::move(call));
}

/// The number under which nodes know the method, from us.
std::uint32_t Router::number_of(const Record& record) {
  const std::string type(record.callee->type());
  const auto [known, is_new] = numbers_.try_emplace({type, record.method}, static_cast<std::uint32_t>(methods_.size()));
  if (is_new) {
    methods_.push_back({.type = type,
                        .method = std::string(record.method->name),
                        .arguments_schema = reflect::schema_of(record.method->arguments()).text(),
                        .result_schema = record.method->result == nullptr
                                             ? std::string()
                                             : reflect::schema_of(record.method->result()).text()});
    out_.introduce(hello());
  }
  return known->second;
}

void Router::forget_sent(Pending& pending) {
  pending.is_sent = false;
  Shard& shard = shards_[pending.shard.value];
  if (--shard.sent_count == 0) flush(shard);
}

void Router::flush(Shard& shard) {
  for (const std::uint64_t sequence : std::exchange(shard.parked, {}))
    if (const auto found = calls_.find(sequence); found != calls_.end()) route(sequence, found->second);
}

void Router::flush_all() {
  unblock_at_ns_.reset();
  for (Shard& shard : shards_) {
    shard.is_blocked = false;
    if (!shard.parked.empty()) flush(shard);
  }
}

void Router::block_all_of(const PeerAddress& owner) {
  for (Shard& shard : shards_)
    if (address_of(shard.owner) == owner) block(shard);
}

void Router::block(Shard& shard) {
  shard.is_blocked = true;
  if (!unblock_at_ns_) unblock_at_ns_ = now_ns_ + std::chrono::nanoseconds(limits::kRetryParked).count();
}

// ---- what nodes say ----

bool Router::on_hello(const PeerAddress& node, const kernel::HelloMessage& hello) {
  unreachable_.clear();
  const bool is_elsewhere = hello.fabric != fabric_;
  if (is_elsewhere) join(hello);
  PeerMethods& methods = peers_[node];
  for (const kernel::MethodEntry& method : hello.methods)
    methods.result_schemas[method_key(method.type, method.method)] = method.result_schema;
  return is_elsewhere;
}

/// Everything that was known of shards belonged to another fabric, if there was one.
void Router::join(const kernel::HelloMessage& hello) {
  fabric_ = hello.fabric;
  map_ = {};
  for (Shard& shard : shards_) shard.owner = {};  // nothing is sent while it is forgotten
  for (const PeerAddress& former : list_sent_to()) on_lost(former);
  peers_.clear();
  shards_.assign(hello.shard_count, {});
  for (auto& [sequence, pending] : calls_) {
    pending.shard = kernel::shard_of(pending.record->callee->text, hello.shard_count);
    shards_[pending.shard.value].parked.insert(sequence);
  }
}

std::set<PeerAddress> Router::list_sent_to() const {
  std::set<PeerAddress> nodes;
  for (const Shard& shard : shards_)
    if (shard.sent_count > 0) nodes.insert(shard.sent_to);
  return nodes;
}

void Router::on_map(kernel::ShardMap map) {
  if (map.version <= map_.version || map.owners.size() != shards_.size()) return;
  map_ = std::move(map);
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    shards_[shard].owner = map_.owners[shard];
    if (shard < map_.owned_since.size()) shards_[shard].owned_since = map_.owned_since[shard];
  }
  flush_all();
}

/// The node ends, and has not begun what it has not answered: as if it had refused each call by itself.
void Router::take_back(const PeerAddress& node) {
  block_all_of(node);  // or they would be sent there once more
  std::vector<std::uint64_t> unanswered;
  for (const auto& [sequence, pending] : calls_)
    if (pending.is_sent && shards_[pending.shard.value].sent_to == node) unanswered.push_back(sequence);
  for (const std::uint64_t sequence : unanswered) on_reply(node, {sequence, kernel::RefusedPart{map_.version}});
}

void Router::on_reply(const PeerAddress& node, const kernel::ReplyMessage& reply) {
  if (reply.sequence == 0) return take_back(node);
  const auto found = calls_.find(reply.sequence);
  if (found == calls_.end() || !found->second.is_sent) return;  // nobody waits for it any more
  Pending& pending = found->second;
  if (std::holds_alternative<kernel::RefusedPart>(reply.outcome)) {
    Shard& shard = shards_[pending.shard.value];
    if (pending.sent_version == map_.version) block(shard);
    shard.parked.insert(reply.sequence);
    return forget_sent(pending);
  }
  if (const auto* error = std::get_if<kernel::ErrorPart>(&reply.outcome)) {
    const Record& record = *pending.record;
    const std::string message = error->code == ErrorCode::timeout
                                    ? fmt::format("the client waited {} ms for {}: {}", record.patience_ns / 1'000'000,
                                                  describe(record), error->message)
                                    : error->message;
    return end(reply.sequence, make_exception(error->code, message, error->exception_type));
  }
  read_result(reply.sequence, pending, node, std::get<kernel::ResultPart>(reply.outcome));
}

void Router::read_result(std::uint64_t sequence, Pending& pending, const PeerAddress& node,
                         const kernel::ResultPart& result) {
  Record& record = *pending.record;
  if (record.method->result == nullptr) return end(sequence, nullptr);
  PeerMethods& methods = peers_[node];
  const std::string key = method_key(record.callee->type(), record.method->name);
  auto schema = methods.parsed.find(key);
  if (schema == methods.parsed.end()) {
    auto parsed = reflect::Schema::parse(methods.result_schemas[key]);
    if (!parsed)
      return end(sequence,
                 make_exception(ErrorCode::bad_arguments,
                                fmt::format("the result of {} cannot be read: node-{} calls its type '{}': {}",
                                            describe(record), node.node, methods.result_schemas[key], parsed.error())));
    schema = methods.parsed.emplace(key, std::move(*parsed)).first;
  }
  const auto read = codec_.decode_sent(result.bytes, schema->second, record.method->result(), record.emplace_result());
  if (!read)
    return end(sequence, make_exception(ErrorCode::bad_arguments,
                                        fmt::format("the result of {} cannot be read: {}: {}", describe(record),
                                                    read.error().path, read.error().what)));
  end(sequence, nullptr);
}

void Router::on_lost(const PeerAddress& node) {
  peers_.erase(node);
  block_all_of(node);
  std::vector<std::uint64_t> lost;
  for (const auto& [sequence, pending] : calls_)
    if (pending.is_sent && shards_[pending.shard.value].sent_to == node) lost.push_back(sequence);
  for (const std::uint64_t sequence : lost)
    if (const auto found = calls_.find(sequence); found != calls_.end())
      end(sequence, make_exception(ErrorCode::node_lost,
                                   fmt::format("node-{} was lost while {} was under way there; it may have run",
                                               node.node, describe(*found->second.record))));
}

void Router::on_closed() {
  while (!calls_.empty()) {
    const auto& [sequence, pending] = *calls_.begin();
    end(sequence, make_exception(ErrorCode::unavailable,
                                 fmt::format("{} was given up: the client is closed", describe(*pending.record))));
  }
}

void Router::on_unreachable(const std::string& why) {
  unreachable_ = why;
  std::vector<std::uint64_t> waiting;
  for (const auto& [sequence, pending] : calls_)
    if (!pending.is_sent) waiting.push_back(sequence);
  for (const std::uint64_t sequence : waiting)
    if (const auto found = calls_.find(sequence); found != calls_.end())
      end(sequence, make_exception(ErrorCode::unavailable,
                                   fmt::format("{} was not sent: {}", describe(*found->second.record), why)));
}

}  // namespace epic::client
