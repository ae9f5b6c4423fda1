// says: reduce takes a function that returns a total of the total so far and one result
#include <epic/epic.hpp>

class Vertex : public epic::Entity {
 public:
  epic::Task<double> rank() const { co_return 1; }
  EPIC_ENTITY(Vertex, methods(rank))
};
epic::Task<> use(std::vector<epic::Ref<Vertex>> all) {
  epic::reduce(all, [](const epic::Ref<Vertex>& one) { return one->rank(); }, [](double rank) { return rank; });
  co_return;
}
