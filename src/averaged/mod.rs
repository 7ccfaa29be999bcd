//! The averaged equation, the limit ε → 0.
