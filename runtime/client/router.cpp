#include "client/router.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "kernel/record.hpp"
#include "reflect/schema_of.hpp"

namespace epic::client {

using kernel::make_exception;
using kernel::PeerAddress;
namespace limits = kernel::limits;

namespace {

std::string describe(const Record& record) { return fmt::format("{}.{}", record.callee->text, record.method->name); }

std::string method_key(std::string_view type, std::string_view method) { return fmt::format("{}.{}", type, method); }

/// This time; of a call that was sent before, that says nothing.
bool says_not_started(const kernel::ErrorPart& error) {
  return error.exception_type.empty() && (error.code == ErrorCode::unavailable || error.code == ErrorCode::overloaded);
}

}  // namespace

Router::Router(std::uint64_t life, std::chrono::nanoseconds call_timeout, const kernel::Codec& codec, Out out)
    : life_(life), call_timeout_(call_timeout), codec_(codec), out_(std::move(out)) {}

kernel::HelloMessage Router::hello() const {
  // No fabric and no shard count: a client accepts those of the first node it meets.
  return {
      .from = {kernel::NodeId{0}, life_}, .fabric = {}, .shard_count = 0, .methods = methods_, .places_groups = true};
}

// ---- beginning and end of a call ----

std::uint64_t Router::submit(RecordRef call, OnEnd on_end) {
  const std::uint64_t sequence = next_sequence_++;
  if (calls_.size() >= limits::kPendingCallsMax) {
    call->failure = make_exception(ErrorCode::overloaded, fmt::format("{} was not sent: {} calls are under way already",
                                                                      describe(*call), calls_.size()));
    on_end(std::move(call));
    return sequence;
  }
  if (call->timeout_ns == 0) call->timeout_ns = call_timeout_.count();
  call->sequence = sequence;
  call->deadline_ns = call->timeout_ns > INT64_MAX - now_ns_ ? INT64_MAX : now_ns_ + call->timeout_ns;
  deadlines_.emplace_hint(deadlines_.end(), call->deadline_ns, sequence);
  Pending& pending = calls_.try_emplace(calls_.end(), sequence)->second;
  pending.record = std::move(call);
  pending.on_end = std::move(on_end);
  pending.sequence = sequence;
  if (!placement_) return sequence;  // on_hello assigns it
  pending.shard = placement_->shard_of(pending.record->callee->text);
  route(pending);
  return sequence;
}

void Router::cancel(std::uint64_t number) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  Pending& pending = found->second;
  const bool is_sent = pending.place == kernel::RoutedCall::Place::sent;
  if (is_sent) out_.send(pending.sent_to, kernel::CancelMessage{{kernel::NodeId{0}, life_, number}});
  end(pending,
      make_exception(ErrorCode::cancelled, fmt::format("{} was cancelled by its caller{}", describe(*pending.record),
                                                       is_sent || pending.may_have_run ? "; it may have taken effect"
                                                                                       : " before it was sent")));
}

void Router::end(Pending& pending, std::exception_ptr failure) {
  const auto ended = calls_.extract(pending.sequence);
  deadlines_.erase({pending.record->deadline_ns, pending.sequence});
  shards_.forget(pending);
  pending.record->failure = std::move(failure);
  pending.on_end(std::move(pending.record));
}

void Router::on_time(std::int64_t now_ns) {
  now_ns_ = now_ns;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns_) {
    Pending& pending = calls_.at(deadlines_.begin()->second);
    const Record& record = *pending.record;
    const auto waited_ms = record.timeout_ns / 1'000'000;
    if (pending.place == kernel::RoutedCall::Place::sent || pending.may_have_run)
      end(pending, make_exception(ErrorCode::timeout,
                                  fmt::format("the client waited {} ms for {}: no answer has come from its node, where "
                                              "it may still run",
                                              waited_ms, describe(record))));
    else
      end(pending,
          make_exception(ErrorCode::unavailable, fmt::format("{} was not started within {} ms: {}", describe(record),
                                                             waited_ms, describe_obstacle(pending.shard))));
  }
  shards_.on_time(now_ns_);
}

/// Why a call to the shard is not sent.
std::string Router::describe_obstacle(kernel::ShardId shard) const {
  const PeerAddress owner = shards_.address_of(shards_.owner_of(shard));
  return owner.life != 0 && !out_.has_room(owner)
             ? fmt::format("node-{} has yet to read what was sent to it before", owner.node)
             : "no node owned its shard";
}

std::optional<std::int64_t> Router::next_timer_ns() const {
  std::optional<std::int64_t> next = shards_.next_timer_ns();
  if (!deadlines_.empty() && (!next || deadlines_.begin()->first < *next)) next = deadlines_.begin()->first;
  return next;
}

// ---- routing ----

void Router::route(kernel::RoutedCall& call) {
  const PeerAddress owner = shards_.find_way(call);
  if (owner.life == 0 || !out_.has_room(owner)) return shards_.park(call);
  send(static_cast<Pending&>(call), owner);
}

void Router::send(Pending& pending, const PeerAddress& to) {
  Record& record = *pending.record;
  pending.method = number_of(record);
  kernel::CallMessage call{.id = {kernel::NodeId{0}, life_, pending.sequence},
                           .target = std::string(record.callee->text),
                           .method = pending.method,
                           .map_version = shards_.version(),
                           .patience_ns = record.deadline_ns - now_ns_,
                           .chain = {},
                           .arguments = {}};
  call.chain.push_back({{kernel::NodeId{0}, life_, 0}, "client", {}});
  if (kernel::has_key(record)) call.extensions = *record.site->extensions;
  try {
    codec_.encode(record.method->arguments(), record.arguments(), call.arguments);
  } catch (const std::exception& error) {
    return end(pending, make_exception(ErrorCode::bad_arguments,
                                       fmt::format("{} was not sent: {}", describe(record), error.what())));
  }
  if (call.arguments.size() > limits::kArgumentsBytesMax)
    return end(pending,
               make_exception(ErrorCode::bad_arguments,
                              fmt::format("{} was not sent: its arguments have {} bytes, and {} is the most",
                                          describe(record), call.arguments.size(), limits::kArgumentsBytesMax)));
  shards_.on_sent(pending, to);
  out_.send(to, std::move(call));
}

/// The number under which nodes know the method, from our table.
std::uint32_t Router::number_of(const Record& record) {
  Numbers& numbers = numbers_[record.method];
  if (const auto known = numbers.find(record.callee->type()); known != numbers.end()) return known->second;
  const auto number = static_cast<std::uint32_t>(methods_.size());
  numbers.emplace(record.callee->type(), number);
  methods_.push_back({.type = std::string(record.callee->type()),
                      .method = std::string(record.method->name),
                      .arguments_schema = reflect::schema_of(record.method->arguments()).text(),
                      .result_schema = record.method->result == nullptr
                                           ? std::string()
                                           : reflect::schema_of(record.method->result()).text()});
  out_.introduce(hello());
  return number;
}

// ---- messages from nodes ----

bool Router::on_hello(const PeerAddress& node, const kernel::HelloMessage& hello) {
  const bool is_elsewhere = hello.fabric != fabric_;
  if (is_elsewhere) join(hello);
  PeerMethods& methods = peers_[node];
  for (const kernel::MethodEntry& method : hello.methods)
    methods.result_schemas[method_key(method.type, method.method)] = method.result_schema;
  return is_elsewhere;
}

/// Everything known about shards belonged to another fabric, if there was one.
void Router::join(const kernel::HelloMessage& hello) {
  fabric_ = hello.fabric;
  shards_.forget_map();
  for (const PeerAddress& former : shards_.list_asked()) lose_calls(former, {});
  placement_.emplace(hello.shard_count, hello.groups);
  for (auto& [sequence, pending] : calls_) {
    shards_.forget(pending);
    pending.shard = placement_->shard_of(pending.record->callee->text);
    shards_.park(pending);
  }
}

void Router::on_map(kernel::ShardMap map) {
  if (placement_ && map.owners.size() == placement_->shard_count() && shards_.set_map(std::move(map)))
    for (const kernel::ShardId shard : shards_.unblock_all()) shards_.retry(shard, kernel::ShardRouter::Pace::at_once);
}

/// The node is leaving, and has not started what it has not answered: as if it had refused each call.
void Router::take_back(const PeerAddress& node) {
  shards_.block(node, now_ns_);  // otherwise they would be sent there again
  for (kernel::RoutedCall* call : shards_.list_sent(node)) shards_.on_refused(*call, now_ns_);
}

void Router::on_reply(const PeerAddress& node, const kernel::ReplyMessage& reply) {
  if (reply.sequence == 0) return take_back(node);
  auto* const pending = static_cast<Pending*>(shards_.find_sent(node, reply.sequence));
  if (pending == nullptr) return;  // its caller no longer waits
  if (std::holds_alternative<kernel::RefusedPart>(reply.outcome)) return shards_.on_refused(*pending, now_ns_);
  if (const auto* error = std::get_if<kernel::ErrorPart>(&reply.outcome)) {
    const Record& record = *pending->record;
    if (pending->may_have_run && says_not_started(*error)) return shards_.on_refused(*pending, now_ns_);
    const std::string message = error->code == ErrorCode::timeout && error->exception_type.empty()
                                    ? fmt::format("the client waited {} ms for {}: {}", record.timeout_ns / 1'000'000,
                                                  describe(record), error->message)
                                    : error->message;
    return end(*pending, make_exception(error->code, message, error->exception_type));
  }
  read_result(*pending, node, std::get<kernel::ResultPart>(reply.outcome));
}

void Router::read_result(Pending& pending, const PeerAddress& node, const kernel::ResultPart& result) {
  Record& record = *pending.record;
  if (record.method->result == nullptr) return end(pending, nullptr);
  PeerMethods& methods = peers_[node];
  auto schema = methods.parsed.find(pending.method);
  if (schema == methods.parsed.end()) {
    const std::string& text = methods.result_schemas[method_key(record.callee->type(), record.method->name)];
    auto parsed = reflect::Schema::parse(text);
    if (!parsed)
      return end(pending, make_exception(ErrorCode::bad_arguments,
                                         fmt::format("the result of {} cannot be read: node-{} calls its type '{}': {}",
                                                     describe(record), node.node, text, parsed.error())));
    schema = methods.parsed.emplace(pending.method, std::move(*parsed)).first;
  }
  const auto read = kernel::read_result(record, codec_, result.bytes, schema->second);
  if (!read)
    return end(pending, make_exception(ErrorCode::bad_arguments,
                                       fmt::format("the result of {} cannot be read: {}: {}", describe(record),
                                                   read.error().path, read.error().what)));
  end(pending, nullptr);
}

void Router::on_lost(const PeerAddress& node, std::string_view running) {
  peers_.erase(node);
  lose_calls(node, running);
}

void Router::lose_calls(const PeerAddress& node, std::string_view running) {
  shards_.block(node, now_ns_);
  for (kernel::RoutedCall* call : shards_.list_sent(node)) {
    auto& pending = static_cast<Pending&>(*call);
    if (kernel::has_key(*pending.record)) {
      pending.may_have_run = true;
      shards_.on_refused(pending, now_ns_);
      continue;
    }
    end(pending, make_exception(ErrorCode::node_lost,
                                fmt::format("node-{} was lost while {} was under way there; it may have run{}",
                                            node.node, describe(*pending.record), kernel::describe_death(running))));
  }
}

void Router::on_closed() {
  while (!calls_.empty()) {
    Pending& pending = calls_.begin()->second;
    end(pending, make_exception(ErrorCode::unavailable,
                                fmt::format("{} was given up: the client is closed", describe(*pending.record))));
  }
}

void Router::on_unreachable(const std::string& why) {
  std::vector<std::uint64_t> waiting;
  for (const auto& [sequence, pending] : calls_)
    if (pending.place != kernel::RoutedCall::Place::sent && !pending.may_have_run) waiting.push_back(sequence);
  for (const std::uint64_t sequence : waiting)
    if (const auto found = calls_.find(sequence); found != calls_.end())
      end(found->second, make_exception(ErrorCode::unavailable,
                                        fmt::format("{} was not sent: {}", describe(*found->second.record), why)));
}

}  // namespace epic::client
