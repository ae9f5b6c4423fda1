#include "cluster/control/control_reply.hpp"

#include <string>
#include <utility>

#include "codec/described_json.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

struct ControlReply::State {
  State(std::weak_ptr<Sink> answers, std::uint64_t request) : sink(std::move(answers)), id(request) {}
  ~State() {
    send(AnswerStatus::failed, codec::describe_text(protocol::control::FailureBody{"The request was dropped."}), true);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void send(AnswerStatus status, std::string_view body, bool last) {
    if (is_ended) return;
    is_ended = last;
    if (const auto open = sink.lock()) open->send({id, status, std::string(body), last});
  }

  std::weak_ptr<Sink> sink;
  std::uint64_t id;
  bool is_ended = false;
};

ControlReply::ControlReply(std::weak_ptr<Sink> sink, std::uint64_t request)
    : state_(std::make_shared<State>(std::move(sink), request)) {}

void ControlReply::part(const boost::json::value& body) const { part(protocol::print_json(body)); }
void ControlReply::part(std::string_view body) const { state_->send(AnswerStatus::ok, body, false); }
void ControlReply::wait(std::string_view why) const {
  state_->send(AnswerStatus::waiting, codec::describe_text(protocol::control::FailureBody{std::string(why)}), false);
}
void ControlReply::finish(const boost::json::value& body) const { finish(protocol::print_json(body)); }
void ControlReply::finish(std::string_view body) const { state_->send(AnswerStatus::ok, body, true); }
void ControlReply::fail(AnswerStatus status, std::string_view message,
                        std::optional<protocol::control::FailureDetail> detail) const {
  fail_with(status, codec::describe_text(protocol::control::FailureBody{std::string(message), std::move(detail)}));
}
void ControlReply::fail_with(AnswerStatus status, std::string_view body) const { state_->send(status, body, true); }

bool ControlReply::is_open() const {
  const auto sink = state_->sink.lock();
  return !state_->is_ended && sink && sink->is_open();
}

bool ControlReply::has_room() const {
  const auto sink = state_->sink.lock();
  return sink && sink->has_room();
}

}  // namespace epic::cluster
