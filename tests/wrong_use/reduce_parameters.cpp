// says: the method that reduce calls must take no parameters
#include <epic/epic.hpp>

class Vertex : public epic::Entity {
 public:
  epic::Task<double> rank(double damping) const { co_return damping; }
  EPIC_ENTITY(Vertex, methods(rank))
};
epic::Task<> use(std::vector<epic::Ref<Vertex>> all) {
  epic::reduce(all, &Vertex::rank, [](double sum, double rank) { return sum + rank; });
  co_return;
}
