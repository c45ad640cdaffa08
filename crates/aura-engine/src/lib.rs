//! The engine under Aura: rings, slots, controller, buffer pool and histograms composed.
