//! `model quorum`: the strongest guarantee of every (N, R, W) and mode.

use crate::output::{grouped, say};
use anyhow::Result;
use clap::Args;
use ringleader_checker::quorum_history::Guarantee;
use ringleader_checker::quorum_table::{Cell, Clients, Explored, Outcome, cells, markdown};
use ringleader_core::leaderless::quorum::Placement;
use ringleader_trace::diagram;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Args)]
#[command(after_help = "Examples:
  cargo model quorum --copies 2
  cargo model quorum --copies 3 --only 3,2,2 --counterexamples
  cargo model quorum --markdown

Each line is the strongest guarantee that no state within the bounds contradicts, and the number of
steps of the shortest counterexample to the next stronger one. docs/quorum.md says what the bounds
are and what the guarantees mean.")]
pub(crate) struct QuorumTable {
    /// Most copies.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
    copies: u8,
    /// Only these N, R and W.
    #[arg(long, value_name = "N,R,W", value_parser = parse_only)]
    only: Option<(u8, u8, u8)>,
    /// Draw the shortest counterexample to the next stronger guarantee under each line.
    #[arg(long)]
    counterexamples: bool,
    /// Print the table as Markdown.
    #[arg(long, conflicts_with = "counterexamples")]
    markdown: bool,
    /// Print one JSON document on standard output, with every counterexample.
    #[arg(long, conflicts_with_all = ["markdown", "counterexamples"])]
    json: bool,
    /// Threads [default: all cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

fn parse_only(text: &str) -> Result<(u8, u8, u8), String> {
    let numbers: Result<Vec<u8>, _> = text.split(',').map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[n, r, w]) if (1..=3).contains(&n) && (1..=n).contains(&r) && (1..=n).contains(&w) => {
            Ok((n, r, w))
        }
        _ => Err(format!("{text:?} is not N,R,W with 1 <= R, W <= N <= 3")),
    }
}

impl QuorumTable {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let wanted = |cell: &Cell| self.only.is_none_or(|it| it == (cell.n, cell.r, cell.w));
        let cells: Vec<Cell> = cells(self.copies).into_iter().filter(wanted).collect();
        let explored = self.explore(&cells);
        if self.json {
            say(&format!("{:#}\n", document(&explored)))?;
        } else if self.markdown {
            say(&markdown(&explored))?;
        } else {
            say(&self.text(&explored))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Explores the cells, several at a time, and says on standard error how far it is.
    fn explore(&self, cells: &[Cell]) -> Vec<Explored> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.threads.map_or(cores, usize::from);
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let explored = cell.explore();
                        let line = line(&explored);
                        let mut found = found.lock().expect("no thread panics while it reports");
                        found.push(explored);
                        eprintln!("{} of {}: {line}", found.len(), cells.len());
                    }
                });
            }
        });
        let mut found = found.into_inner().expect("no thread panics while it reports");
        let position = |it: &Explored| cells.iter().position(|cell| *cell == it.cell);
        found.sort_by_key(position);
        found
    }

    fn text(&self, explored: &[Explored]) -> String {
        let mut text = String::new();
        for it in explored {
            let _ = writeln!(text, "{}", line(it));
            if let Some((guarantee, trace)) = it.next_stronger().filter(|_| self.counterexamples) {
                let drawn = diagram::text(trace);
                let _ = writeln!(text, "\n{} falls:\n\n{drawn}", guarantee.name());
            }
        }
        let states = grouped(explored.iter().map(|it| it.states).sum());
        let _ = writeln!(text, "{} cells, {states} states", explored.len());
        text
    }
}

fn placement(cell: Cell) -> &'static str {
    match cell.placement {
        Placement::Strict => "strict",
        Placement::Sloppy => "sloppy",
    }
}

fn writers(cell: Cell) -> u8 {
    match cell.clients {
        Clients::OneWriter => 1,
        Clients::TwoWriters => 2,
    }
}

fn line(it: &Explored) -> String {
    let Cell { n, r, w, clients, mode, .. } = &it.cell;
    let (placement, clients, mode) = (placement(it.cell), clients.name(), mode.name());
    format!("N={n} R={r} W={w} {placement:<6} {clients:<11} {mode:<19} {}", it.describe())
}

fn document(explored: &[Explored]) -> Value {
    let cell = |it: &Explored| {
        let guarantees = it.outcomes.iter().map(|(guarantee, outcome)| match outcome {
            Outcome::Holds => json!({ "name": guarantee.words(), "holds": true }),
            Outcome::Broken(trace) => json!({
                "name": guarantee.words(),
                "holds": false,
                "steps": trace.steps.len(),
                "trace": trace,
            }),
        });
        let strongest: Vec<_> = it.strongest().into_iter().map(Guarantee::words).collect();
        json!({
            "n": it.cell.n,
            "r": it.cell.r,
            "w": it.cell.w,
            "placement": placement(it.cell),
            "writers": writers(it.cell),
            "mode": it.cell.mode.name(),
            "states": it.states,
            "strongest": strongest,
            "guarantees": guarantees.collect::<Vec<_>>(),
        })
    };
    json!({ "version": 1, "cells": explored.iter().map(cell).collect::<Vec<_>>() })
}
