#include "cluster/supervisor/module_fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace epic::cluster {

void ModuleFetch::get(const protocol::ModuleOrigin& origin, const std::string& address, Done done) {
  const auto same = std::ranges::find(jobs_, origin, &Job::origin);
  if (same != jobs_.end()) return same->waiting.push_back(std::move(done));
  jobs_.push_back({.origin = origin, .address = address, .waiting = {}});
  jobs_.back().waiting.push_back(std::move(done));
  if (jobs_.size() == 1) host_.post([this] { begin(); });
}

void ModuleFetch::end() {
  jobs_.clear();
  silence_.cancel();
  if (link_) std::exchange(link_, nullptr)->close();
}

void ModuleFetch::begin() {
  if (jobs_.empty() || link_) return;
  if (const auto copy = modules_.find(jobs_.front().origin)) return finish(*copy);
  link_ = connect_(jobs_.front().address);
  if (!link_) return fail("nobody listens there");
  link_->start({.on_message = [this](const protocol::ToMachine& message) { on_message(message); },
                .on_closed =
                    [this] {
                      link_.reset();
                      fail("the connection has ended");
                    }});
  ask(0);
}

void ModuleFetch::ask(std::uint64_t offset) {
  link_->send(protocol::ModuleWanted{.digest = jobs_.front().origin.digest, .offset = offset});
  silence_.expires_after(kSilenceMax, [this] { fail("it has not answered in time"); });
}

void ModuleFetch::on_message(const protocol::ToMachine& message) {
  const auto* const part = std::get_if<protocol::ModulePart>(&message);
  if (part == nullptr || jobs_.empty() || part->digest != jobs_.front().origin.digest)
    return fail("it has answered something else");
  if (part->bytes.empty()) return fail("it does not have that module");
  const auto is_complete = modules_.receive(*part);
  if (!is_complete) return finish(std::unexpected(is_complete.error()));
  if (!*is_complete) return ask(part->offset + part->bytes.size());
  auto copy = modules_.find(jobs_.front().origin);
  if (!copy) return fail("its copy has disappeared from this machine");
  finish(*copy);
}

void ModuleFetch::finish(const std::expected<ModuleCopy, SupervisorError>& result) {
  silence_.cancel();
  if (link_) std::exchange(link_, nullptr)->close();
  Job job = std::move(jobs_.front());
  jobs_.pop_front();
  if (!jobs_.empty()) host_.post([this] { begin(); });
  for (Done& done : job.waiting) done(result);
}

void ModuleFetch::fail(std::string why) {
  finish(std::unexpected(SupervisorError{
      fmt::format("The module could not be fetched from {}: {}.", jobs_.front().address, why), {}, {}}));
}

}  // namespace epic::cluster
