/*
 * A domain of SRCU, as the models need it. A reader picks an index and counts
 * itself there, in two steps, with any number of grace periods in between (in one
 * where a model has to be kept small, which defines SRCU_IN_ONE_STEP). A
 * grace period waits for the counter that is not picked, turns the index, and
 * waits for the other one. The real counters are two per CPU and direction; that
 * their sums can be trusted is SRCU's business.
 *
 * Assumed of SRCU, beside that it waits for the readers that it finds counted:
 *  - srcu_read_lock(): a full barrier between the counting and the section.
 *  - srcu_read_unlock(): a full barrier between the section and the uncounting.
 *  - synchronize_srcu_expedited(): a full barrier before the first look at a
 *    counter and another one after the last, and a caller that comes while another one
 *    waits gets a grace period that begins after it came.
 * synchronize_srcu_readers(), which waits in its place where the series is complete,
 * gives the same by other means: idle_domain.pml.
 * So here, where a process does what is written in the order in which it is
 * written, nothing has to be said about it; where a model has store buffers, its
 * own text lets them drain.
 */
bit srcu_idx;
byte srcu_count[2];
bool srcu_busy;

inline srcu_read_lock(idx)
{
#ifdef SRCU_IN_ONE_STEP
	atomic { idx = srcu_idx; srcu_count[idx]++ }
#else
	idx = srcu_idx;
	srcu_count[idx]++
#endif
}

inline srcu_read_unlock(idx)
{
	srcu_count[idx]--
}

inline synchronize_srcu_expedited()
{
#ifdef SRCU_IN_ONE_STEP
	atomic { !srcu_busy -> srcu_busy = true; srcu_idx = 1 - srcu_idx };
	atomic { srcu_count[1 - srcu_idx] == 0 -> srcu_busy = false }
#else
	atomic { !srcu_busy -> srcu_busy = true };
	srcu_count[1 - srcu_idx] == 0;
	srcu_idx = 1 - srcu_idx;
	srcu_count[1 - srcu_idx] == 0;
	srcu_busy = false
#endif
}
