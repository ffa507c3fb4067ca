// The director decides how far the job may run: it permits steps, notices when one is committed
// (all blocks applied, all microbatches reported), and pauses the job at boundaries to evaluate. It
// has the job saved while training goes on; where updates are applied as they come it pauses for
// that, too. One checkpoint is written at a time, and nobody gets further than to the one after the
// next: so holders keep the state of two. A step's loss is summed in the order of the microbatches,
// so the log of a run is a function of the job. It owns the dials, and tells who holds the credit
// what they are set to.
//
// It may die. What it told the recorder is on record there, and each event is kept here until it
// is. Its successor begins where the record ends: holders and layer shards say again what they have
// said of later steps, and a pause that was not over begins anew.
//
// Islands are permitted to run ahead of each other within a round, and a new layer shard begins
// with the first step that its island has not applied. The digest of a step is the sum of the
// blocks' digests; that of a job with islands is the one that they all have, as after an outer
// step, else the sum of theirs.
#pragma once

#include "actors/address.hpp"
#include "actors/credit_board.hpp"
#include "actors/runtime/role.hpp"
#include "actors/share_dealer.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct director_options {
  std::uint64_t first_step = 0; // steps committed by the runs that this one resumes
  std::uint64_t last_step = 0;  // end: so many steps committed
  std::uint64_t steps_per_epoch = 1;
  std::uint32_t microbatches = 1;
  int blocks = 0; // of each island
  std::uint32_t islands = 0;
  std::vector<address> shards;
  std::map<address, std::uint32_t> island_of = {}; // of shards, from 1; those of none are not there
  std::uint64_t workers = 0;       // of an asynchronous job; 0: every shard computes every step
  std::uint64_t steps_ahead = 2;   // permission runs so far ahead of the last commit
  std::vector<address> evaluators; // empty: no evaluation
  address checkpointer{.role = role_kind::checkpointer};
  address recorder{.role = role_kind::recorder};
  std::string checkpoint_folder;      // empty: none are written
  std::uint64_t checkpoint_every = 0; // steps; 0: at each epoch's end
  std::vector<credit_edges> edges;
  std::vector<dial> dials;     // to be set when their step comes
  share_dealer_options shares; // of replicas whose shares are dealt step by step
};

class director final : public role_of<director> {
public:
  director(context& world, director_options options);

  void started() override;
  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::committed& m);
  void on(const protocol::microbatch_report& m);
  void on(const protocol::reports_told& m);
  void on(const protocol::share_computed& m);
  void on(const protocol::evaluated& m);
  void on(const protocol::saved& m);
  void on(const protocol::stop_job& m);
  void on(const protocol::set_dial& m);
  void on(const protocol::state_lost& m);
  void on(const protocol::job_failed& m);
  void on(const protocol::cursor& m);
  void on(const protocol::recorded& m);
  void on(const protocol::restarted& m);

private:
  using block_key = std::pair<std::uint32_t, int>; // island, block

  // By microbatch.
  class report_table {
  public:
    explicit report_table(std::uint32_t microbatches = 0)
        : reports_(microbatches), here_(microbatches) {}

    void add(const protocol::microbatch_report& m) {
      if (!here_.at(m.microbatch)) ++size_;
      here_[m.microbatch] = true;
      reports_[m.microbatch] = m;
      normaliser_ = m.normaliser;
    }

    [[nodiscard]] std::size_t size() const { return size_; } // that are here

    [[nodiscard]] bool has(std::uint32_t microbatch) const { return here_[microbatch]; }

    [[nodiscard]] const auto& all() const { return reports_; } // zeros where one is missing

    [[nodiscard]] double normaliser() const { return normaliser_; } // of one that is here

  private:
    std::vector<protocol::microbatch_report> reports_;
    std::vector<bool> here_;
    std::size_t size_ = 0;
    double normaliser_ = 0;
  };

  // What is known of a step in flight.
  struct step_record {
    std::map<block_key, protocol::committed> blocks;
    report_table reports;
  };
  enum class phase { beginning, training, evaluating, saving, ended };

  struct untold_event {
    protocol::event_number number;
    message content;
  };

  [[nodiscard]] std::uint64_t boundary() const; // pause when so many steps are committed
  [[nodiscard]] std::uint64_t save_every() const;

  [[nodiscard]] bool pauses_to_save() const { return options_.workers > 0; }

  [[nodiscard]] std::uint64_t next_save() const; // steps committed then
  [[nodiscard]] bool is_save_due() const;
  void save_next();
  void ask_for_cursor();
  [[nodiscard]] bool must_pause(const protocol::cursor& at) const;
  template <class Event>
  void tell(Event e);
  void permit();
  void deal(std::uint64_t end);
  void permit(const address& shard, std::uint64_t untold);
  bool count_steps(std::uint32_t island);
  [[nodiscard]] std::size_t blocks_in_all() const;
  step_record& record_of(std::uint64_t step);
  void set_due_dials();
  [[nodiscard]] std::uint64_t first_step_of(const address& shard) const;
  [[nodiscard]] bool is_complete(std::uint64_t number, const step_record& step) const;
  [[nodiscard]] bool lost_reports(std::uint64_t number) const;
  [[nodiscard]] bool lost_reports_of_island(std::uint32_t island) const;
  void begin_again_if_lost();
  void finish_steps();
  bool record(const step_record& step); // false: the job has failed
  [[nodiscard]] double normaliser_of(const step_record& step) const;
  void pause();
  void after_evaluation();
  [[nodiscard]] protocol::evaluation_totals
  totals(protocol::evaluation_sums protocol::evaluated::*set) const;
  void save(std::uint64_t version, bool write, bool collects);
  void end();
  void fail(const error_text& why, bool begin_again = false);
  [[nodiscard]] std::vector<wait> waits_of_step() const;
  void add_report(std::vector<wait>& out, const tree_span& run) const;

  context& world_;
  credit_board credit_;
  const director_options options_; // without the edges, which the board has
  phase phase_ = phase::beginning;
  std::uint64_t committed_;
  std::uint64_t recorded_ = 0;                // of those committed: a successor will know it
  std::uint64_t permitted_;                   // steps
  std::uint64_t announced_ = 0;               // of those permitted; told to all
  std::uint64_t dealt_ = 0;                   // likewise, where shares are
  std::vector<std::uint64_t> next_of_island_; // first step that it has not applied; [0]: of none
  std::uint64_t digest_ = 0;
  std::multimap<std::uint64_t, dial> dials_; // that are not set yet, by step
  std::map<block_key, protocol::committed> newest_;
  bool stopping_ = false;
  std::map<std::uint64_t, step_record> steps_;
  share_dealer shares_;
  std::uint64_t overtaken_ = 0; // layer shards, since the last commit
  std::uint64_t round_ = 0;
  std::map<std::uint32_t, protocol::evaluated> parts_;
  protocol::save save_;
  bool saving_ = false;     // it is not answered
  std::uint64_t saved_ = 0; // of checkpoints up to this step it is known whether they were written
  std::uint64_t good_ = 0;  // the last one that was; 0: none
  std::map<address, std::uint64_t>
      reporting_; // of workers' shards: no report of a step below comes
  protocol::event_number told_;
  std::deque<untold_event> untold_; // to the recorder, in order: not on record yet
};

} // namespace troupe
