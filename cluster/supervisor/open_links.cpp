#include "cluster/supervisor/open_links.hpp"

#include <algorithm>
#include <utility>

namespace epic::cluster {

using namespace std::chrono_literals;

std::vector<OpenLinks::Open>::iterator OpenLinks::find(const LinkToMachine& link) {
  return std::ranges::find(open_, &link, [](const Open& open) { return open.link.get(); });
}

void OpenLinks::add(std::shared_ptr<LinkToMachine> link) { open_.push_back({.link = std::move(link)}); }

void OpenLinks::on_message(const LinkToMachine& link) {
  const auto found = find(link);
  if (found == open_.end()) return;
  found->silence = {};
  found->has_spoken = true;
}

void OpenLinks::on_greeted(const LinkToMachine& link) {
  if (const auto found = find(link); found != open_.end()) found->has_greeted = true;
}

std::shared_ptr<LinkToMachine> OpenLinks::remove(const LinkToMachine& link) {
  const auto found = find(link);
  if (found == open_.end()) return nullptr;
  std::shared_ptr<LinkToMachine> last = std::move(found->link);
  open_.erase(found);
  return last;
}

std::vector<OpenLinks::Silent> OpenLinks::tick(std::chrono::nanoseconds passed) {
  std::vector<Silent> silent;
  std::erase_if(open_, [&](Open& open) {
    open.silence = open.link->is_sent() ? open.silence + passed : 0ns;  // it is answered, slowly
    if (open.has_greeted || open.silence < kSilenceMax) return false;
    silent.push_back({.link = std::move(open.link), .has_spoken = open.has_spoken});
    return true;
  });
  return silent;
}

bool OpenLinks::is_sent() const {
  return std::ranges::all_of(open_, [](const Open& open) { return open.link->is_sent(); });
}

}  // namespace epic::cluster
